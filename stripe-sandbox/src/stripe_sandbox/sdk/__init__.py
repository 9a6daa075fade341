"""What the pinned `stripe` package says about the API, read from its sources.

The package is parsed and never imported: importing it costs most of a second
and brings an HTTP client that a server has no use for.
"""

"""Speaks what the official Stripe CLI speaks beside the public API.

None of it is documented by Stripe; it was learned by watching `@stripe/cli` 1.52.
"""

"""Wiring: settings, URLs, error handling and the servers' entry points."""

__version__ = "0.9.0"

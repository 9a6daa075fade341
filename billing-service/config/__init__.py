"""Wiring: settings, URLs, error handling and the servers' entry points."""

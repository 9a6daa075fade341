"""Logs and metrics, and the id that connects them with a request."""

"""Accounts: logging in, reading and changing them, and the feed that reports changes to others."""

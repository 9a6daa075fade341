"""Accounts: logging in, reading and changing them, and the feed that tells others of changes."""

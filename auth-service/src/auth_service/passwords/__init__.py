"""Passwords: which are accepted, how they are hashed, and how often a log-in may be attempted."""

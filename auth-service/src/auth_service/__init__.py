"""Users, passwords, refresh families and signing keys; issues the tokens of all services."""

__version__ = "0.9.0"

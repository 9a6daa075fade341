"""Users, passwords, refresh families and signing keys; issues the tokens of all services."""

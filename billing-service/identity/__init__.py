"""Verifies auth-service's access tokens."""

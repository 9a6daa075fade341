"""Mirrors auth-service's users and lets staff manage them there."""

"""Talks to auth-service's internal users API."""

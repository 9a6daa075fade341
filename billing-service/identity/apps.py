"""Registers the app with Django."""

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Verifies auth-service's access tokens."""

    name = "identity"

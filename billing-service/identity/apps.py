"""Registers the app with Django."""

from importlib import import_module

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "identity"

    def ready(self) -> None:
        """Let the OpenAPI generator find our security scheme, which registers on import."""
        import_module("identity.openapi")

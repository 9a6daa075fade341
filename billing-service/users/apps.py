"""Registers the app with Django."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Mirrors auth-service's users and lets staff manage them there."""

    name = "users"

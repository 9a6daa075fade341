"""Registers the app with Django."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Customers, payment methods and subscriptions."""

    name = "subscriptions"

    def ready(self) -> None:
        """Check the settings at every command."""
        from subscriptions import checks  # noqa: F401, PLC0415 - registers itself; models must be loaded

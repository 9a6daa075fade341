"""Registers the app with Django."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Customers, payment methods and subscriptions."""

    name = "subscriptions"

    def ready(self) -> None:
        """Check the settings at every command, and settle with Stripe before a user goes."""
        from subscriptions import checks  # noqa: F401, PLC0415 - registers itself; models must be loaded
        from subscriptions.leaving import cancel_everything_for  # noqa: PLC0415 - needs models
        from users.deletion import before_deletion  # noqa: PLC0415 - needs models

        before_deletion(cancel_everything_for)

"""Registers the app with Django."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Customers, payment methods and subscriptions."""

    name = "subscriptions"

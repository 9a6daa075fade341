"""Registers the app with Django."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Stores Stripe's events and handles them."""

    name = "webhooks"

"""Registers every model's page; Django's admin imports this module at start."""

from backoffice import subscriptions, users, webhook_events

__all__ = ["subscriptions", "users", "webhook_events"]

"""Registers every model's page; Django's admin imports this module at start."""

from django.contrib import admin

from backoffice import bulk_action_pages, subscriptions, users, webhook_events
from backoffice.bulk_actions import delete_selected

__all__ = ["bulk_action_pages", "subscriptions", "users", "webhook_events"]

# In place of Django's own, on every list that has no other.
admin.site.add_action(delete_selected, "delete_selected")

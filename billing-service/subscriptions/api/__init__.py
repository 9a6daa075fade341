"""The HTTP face of subscriptions."""

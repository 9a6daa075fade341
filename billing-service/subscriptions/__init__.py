"""Customers, payment methods and subscriptions."""

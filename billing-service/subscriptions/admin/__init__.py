"""Customers, payment methods, subscriptions, products and attempts in the admin."""

from subscriptions.admin import attempts, customers, payment_methods, products, reconcile
from subscriptions.admin import subscriptions as subscriptions_page

__all__ = [
    "attempts",
    "customers",
    "payment_methods",
    "products",
    "reconcile",
    "subscriptions_page",
]

"""Customers, payment methods, subscriptions, products and attempts in the admin."""

from backoffice.subscriptions import attempts, customers, payment_methods, products, reconcile
from backoffice.subscriptions import subscriptions as subscriptions_page

__all__ = [
    "attempts",
    "customers",
    "payment_methods",
    "products",
    "reconcile",
    "subscriptions_page",
]

"""Brings our rows in line with Stripe: the only writers of customers, cards and subscriptions."""

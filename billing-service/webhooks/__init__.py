"""Stores Stripe's events and handles them."""

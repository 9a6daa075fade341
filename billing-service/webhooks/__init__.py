"""Stripe's events: verified, stored and processed."""

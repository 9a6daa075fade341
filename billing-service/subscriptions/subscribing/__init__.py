"""Subscribing: one attempt per request, from the checks to the first payment."""

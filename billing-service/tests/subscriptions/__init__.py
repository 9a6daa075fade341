"""Subscribing, the life cycle, and what staff see of it."""

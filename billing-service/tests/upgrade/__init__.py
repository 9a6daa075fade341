"""Upgrades of an installation."""

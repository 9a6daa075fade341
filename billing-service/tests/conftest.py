"""Fixtures every part of the suite may use."""

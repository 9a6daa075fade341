"""Reads `.env` and the shell into one checked Settings."""

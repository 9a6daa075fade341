"""Tokens: signed JWTs, and the refresh families that decide which refresh token is still good."""

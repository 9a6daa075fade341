"""Tests of the sandbox as its users meet it: over HTTP, mostly through stripe-python."""

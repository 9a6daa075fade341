"""Tests of the harness's own arithmetic and of its client."""

"""Tests of auth-service against real PostgreSQL, real signatures and real HTTP."""

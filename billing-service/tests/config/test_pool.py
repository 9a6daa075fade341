"""Connections that ended while they were idle."""

import psycopg
import pytest
from django.db import connection

_END_ALL = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.mark.django_db(transaction=True)
def test_connections_that_the_server_closed_are_not_handed_out() -> None:
    """A restart of PostgreSQL does not cause a 500."""
    connection.ensure_connection()
    connection.close()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        ended = [each for (each,) in other.execute(_END_ALL)]

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert ended
    assert all(ended)

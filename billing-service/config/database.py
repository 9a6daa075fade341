"""Turns a PostgreSQL URL into the dictionary Django's DATABASES wants."""

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config.environment import BadEnvironment

# Per process; PostgreSQL allows 100 connections in all by default.
MOST_CONNECTIONS = 16

_DJANGO_KEYS = {
    "dbname": "NAME",
    "user": "USER",
    "password": "PASSWORD",
    "host": "HOST",
    "port": "PORT",
}


def database_settings(url: str, *, threads: int) -> dict[str, Any]:
    """Read a libpq connection URI; whatever Django has no name for becomes an option.

    Args:
        url: For example `postgresql://billing:secret@postgres:5432/billing`.
        threads: Request threads of one process.

    Raises:
        BadEnvironment: libpq does not understand the URL, or it names no database.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise BadEnvironment("BILLING_DATABASE_URL must be a postgresql:// URL.")
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        raise BadEnvironment(
            "BILLING_DATABASE_URL is not a PostgreSQL URL that libpq accepts."
        ) from None
    if not parts.get("dbname"):
        raise BadEnvironment("BILLING_DATABASE_URL must name a database.")
    if not str(parts.get("port", "5432")).isdigit():
        raise BadEnvironment("BILLING_DATABASE_URL must give its port as a number.")
    options = {name: value for name, value in parts.items() if name not in _DJANGO_KEYS}
    named = {_DJANGO_KEYS[name]: str(parts[name]) for name in _DJANGO_KEYS if name in parts}
    return {
        # Checks a connection before it is used: after a restart of PostgreSQL every one in the
        # pool is closed, and each would turn a request into a 500.
        "ENGINE": "config.postgresql",
        **named,
        "OPTIONS": {
            "connect_timeout": "5",
            **options,
            # Fewer than threads: a thread that waits for Stripe holds none. Two more are for the
            # threads that read keys and revocations.
            "pool": {"min_size": 1, "max_size": min(threads, MOST_CONNECTIONS) + 2, "timeout": 5},
        },
    }

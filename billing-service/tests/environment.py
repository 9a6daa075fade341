"""Prepares the environment variables the service reads, before Django is set up."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ISSUER = "http://gateway.test"
AUDIENCE = "billing-service"


def free_port() -> int:
    """Return a port that is free now."""
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
        "STALE_ACCESS_DAYS": "3",
        "REFUND_ENDS_ACCESS": "no",
        "DISPUTE_ENDS_ACCESS": "yes",
        "KEEP_EVENTS_DAYS": "90",
        "KEEP_ATTEMPTS_DAYS": "400",
        "STAFF_SESSION_HOURS": "8",
        "BILLING_WORKERS": "1",
        "BILLING_THREADS": "4",
    }


def _test_database_url() -> str:
    """Name a database of this run's own; Django creates it as `test_<name>` and drops it."""
    parts = urlsplit(os.environ.get("TEST_DATABASE_URL") or _own_server_url())
    return urlunsplit(parts._replace(path=f"/billing_{os.getpid()}_{os.urandom(3).hex()}"))


def _own_server_url() -> str:
    # The server ends when its standard input is closed, also when this process is killed.
    repository = Path(__file__).resolve().parents[2]
    server = subprocess.Popen(
        [repository / "dev/.venv/bin/python", "-m", "dev.programs.temporary_postgres"],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    assert url, "PostgreSQL did not start; its reason is above."
    return url


def _scratch_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="billing-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

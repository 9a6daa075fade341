"""Which variable reaches which process: a secret is seen only by those that need it."""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from dev.config.machine import is_of_the_machine
from dev.config.settings import Settings

SHARED = ("ENVIRONMENT", "PUBLIC_URL", "TOKEN_ISSUER", "LOG_LEVEL", "DRAIN_SECONDS")
AUTH = (
    *SHARED,
    "APP_NAME",
    "AUTH_DATABASE_URL",
    "AUTH_INTERNAL_CLIENT_SECRET",
    "AUTH_WORKERS",
    "AUDIT_*",
    "KEYS_DIR",
    "KEYS_PASSPHRASE_FILE",
    "SECOND_FACTOR_KEY",
    "TOKEN_AUDIENCES",
    "TOKEN_DEFAULT_AUDIENCES",
    "ALLOWED_ORIGINS",
    "ACCESS_TOKEN_LIFETIME_SECONDS",
    "REFRESH_*",
    "THROTTLE_*",
    "PASSWORD_*",
    "MAX_SESSIONS_PER_USER",
    "FORWARDED_ALLOW_IPS",
    "SIGNUP",
    "SMTP_URL",
    "MAIL_FROM",
    "ACCOUNT_PAGES_URL",
)
BILLING = (
    *SHARED,
    "BILLING_DATABASE_URL",
    "BILLING_BIND",
    "BILLING_WORKERS",
    "BILLING_THREADS",
    "DJANGO_SECRET_KEY",
    "AUTH_INTERNAL_URL",
    "AUTH_INTERNAL_CLIENT_SECRET",
    "STAFF_SECOND_FACTOR",
    "STAFF_SESSION_HOURS",
    "TOKEN_AUDIENCE",
    "JWKS_CACHE_FILE",
    "PAST_DUE_GRACE_DAYS",
    "STALE_ACCESS_DAYS",
    "REFUND_ENDS_ACCESS",
    "DISPUTE_ENDS_ACCESS",
    "STRIPE_*",
    "CARD_FAILURES_*",
    "SETUP_INTENTS_*",
    "KEEP_*",
)
SANDBOX = ("LOG_LEVEL", "SANDBOX_*", "STRIPE_WEBHOOK_SECRET", "STRIPE_*_PRODUCT_PRICE_ID")
GATEWAY = (
    *("AUTH_UPSTREAMS", "BILLING_UPSTREAMS"),
    *("TOKEN_*", "PUBLIC_RPS", "PUBLIC_BURST", "ALLOWED_ORIGINS"),
)


def values_in_place(settings: Settings) -> dict[str, str]:
    """Every variable of a system, with the addresses at which its components really are.

    Args:
        settings: Ports, folders and what `.env` and the shell set. An address set there wins over
            the bundled component's.
    """
    ports, state = settings.ports, settings.state_dir
    defaults = {
        "AUTH_DATABASE_URL": _database_url("auth", settings),
        "BILLING_DATABASE_URL": _database_url("billing", settings),
        "AUTH_INTERNAL_URL": f"http://127.0.0.1:{ports.auth}",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "JWKS_CACHE_FILE": str(state / "billing" / "jwks.json"),
        "AUTH_UPSTREAMS": f"http://127.0.0.1:{ports.auth}",
        "BILLING_UPSTREAMS": f"http://127.0.0.1:{ports.billing}",
        "STRIPE_DASHBOARD_URL": settings.sandbox_url or "",
        "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{ports.gateway}/api/stripe-webhook/",
    }
    own_sandbox = {
        "STRIPE_API_BASE": f"http://127.0.0.1:{ports.sandbox}",
        "SANDBOX_PUBLIC_URL": settings.sandbox_url or "",
    }
    return {
        **settings.values,
        **{name: settings.values.get(name) or value for name, value in defaults.items()},
        "PUBLIC_URL": settings.public_url,
        "BILLING_BIND": f"127.0.0.1:{ports.billing}",
        "KEYS_DIR": str(settings.keys_dir),
        **(own_sandbox if settings.sandbox_url else {}),
    }


def environment(
    values: Mapping[str, str], names: tuple[str, ...] = (), *, venv: Path | None = None
) -> dict[str, str]:
    """The environment of one process.

    Args:
        values: Every variable of the system.
        names: Those that this process may see; `*` stands for any letters.
        venv: The folder whose `.venv/bin` comes first in PATH.
    """
    env = {
        name: value
        for name, value in values.items()
        if is_of_the_machine(name) or any(fnmatchcase(name, pattern) for pattern in names)
    }
    # Output that waits in a buffer is lost when the process dies.
    env["PYTHONUNBUFFERED"] = "1"
    if venv is not None:
        env["PATH"] = os.pathsep.join([str(venv / ".venv" / "bin"), env.get("PATH", "")])
    return env


def _database_url(name: str, settings: Settings) -> str:
    password = quote(settings.values[f"{name.upper()}_DATABASE_PASSWORD"], safe="")
    return f"postgresql://{name}:{password}@127.0.0.1:{settings.ports.postgres}/{name}"

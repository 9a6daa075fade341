"""What the service says about its environment before it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.database import database_settings
from config.environment import BadEnvironment, read_environment

LOCAL = {"BILLING_DATABASE_URL": "postgresql://billing@db/billing"}
PRODUCTION = LOCAL | {
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://pay.example.com",
    "DJANGO_SECRET_KEY": "d" * 50,
    "AUTH_INTERNAL_CLIENT_SECRET": "c" * 32,
    "STRIPE_API_SECRET": "sk_live_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old",
}


def test_local_needs_nothing_but_a_database() -> None:
    """A newcomer starts with what the launcher sets and no secret of his own."""
    environment = read_environment(LOCAL)

    assert environment.is_local
    assert environment.token_issuer == "http://localhost:8000"
    assert environment.past_due_grace_days == 7


@pytest.mark.parametrize(
    ("given", "required"),
    [
        ({}, False),
        ({"STAFF_SECOND_FACTOR": "required"}, True),
        (PRODUCTION, True),
        (PRODUCTION | {"STAFF_SECOND_FACTOR": "optional"}, False),
    ],
)
def test_staff_need_a_second_factor_outside_local(given: dict[str, str], *, required: bool) -> None:
    """The demo asks for none, and an installation can decide otherwise."""
    environment = read_environment(LOCAL | given)
    assert environment.staff_second_factor_required is required


def test_production_reads_every_secret() -> None:
    """Two webhook secrets may be active at a time; the dashboard is Stripe's live one."""
    environment = read_environment(PRODUCTION)

    assert environment.stripe_webhook_secrets == ("whsec_new", "whsec_old")
    assert environment.stripe_dashboard_url == "https://dashboard.stripe.com"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("BILLING_DATABASE_URL", "", "must be set"),
        ("BILLING_DATABASE_URL", "postgresql://b:local-only-b@db/b", "demo password"),
        ("DJANGO_SECRET_KEY", "", "must be set when ENVIRONMENT is not local"),
        ("DJANGO_SECRET_KEY", "short", "at least 50 characters"),
        ("AUTH_INTERNAL_CLIENT_SECRET", "", "must be set when ENVIRONMENT is not local"),
        ("AUTH_INTERNAL_CLIENT_SECRET", "local-demo-secret-of-billing-service", "demo value"),
        ("STRIPE_API_SECRET", "", "must be set"),
        ("STRIPE_WEBHOOK_SECRET", " , ", "must be set"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_new,whsec_sandbox_demo_secret", "demo value"),
        ("STRIPE_API_BASE", "http://stripe-sandbox:12111", "must be empty"),
        ("ENVIRONMENT", "prod", "must be one of local, staging, production, not 'prod'"),
        ("LOG_LEVEL", "LOUD", "must be one of"),
        ("PUBLIC_URL", "pay.example.com", "must be an http or https address"),
        ("AUTH_INTERNAL_URL", "auth:8001", "must be an http or https address"),
        ("PAST_DUE_GRACE_DAYS", "-1", "must be a whole number of at least 0, not '-1'"),
        ("STALE_ACCESS_DAYS", "0", "must be a whole number of at least 1, not '0'"),
        ("DISPUTE_ENDS_ACCESS", "true", "must be one of yes, no, not 'true'"),
        ("KEEP_EVENTS_DAYS", "0", "must be a whole number of at least 1, not '0'"),
        ("BILLING_WORKERS", "0", "must be a whole number of at least 1, not '0'"),
        ("BILLING_THREADS", "four", "must be a whole number"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_the_variable(
    variable: str, value: str, sentence: str
) -> None:
    """The operator knows what to change without reading code."""
    with pytest.raises(BadEnvironment, match=sentence) as caught:
        read_environment(PRODUCTION | {variable: value})

    assert str(caught.value).startswith(variable)
    assert str(caught.value).count("\n") == 0


def test_a_live_key_never_talks_to_the_sandbox() -> None:
    """Not even in local: real cards would be sent to a stand-in."""
    with pytest.raises(BadEnvironment, match=r"^STRIPE_API_BASE must be empty"):
        read_environment(
            LOCAL | {"STRIPE_API_SECRET": "sk_live_x", "STRIPE_API_BASE": "http://sandbox:1"}
        )


@pytest.mark.parametrize(
    "url", ["mysql://db/billing", "postgresql://db:port/x", "postgresql://db", "postgresql://%zz/x"]
)
def test_a_bad_database_address_is_one_sentence(url: str) -> None:
    """The sentence does not repeat the address, which holds a password."""
    with pytest.raises(BadEnvironment, match=r"^BILLING_DATABASE_URL"):
        database_settings(url, threads=4)


def test_the_database_address_keeps_its_options() -> None:
    """Sockets, TLS and time-outs are written as libpq writes them."""
    database = database_settings(
        "postgresql://billing:p%40ss@/billing?host=/run/pg&sslmode=require&connect_timeout=3",
        threads=4,
    )

    assert (database["USER"], database["PASSWORD"], database["HOST"]) == (
        "billing",
        "p@ss",
        "/run/pg",
    )
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["connect_timeout"] == "3"
    assert database["OPTIONS"]["pool"]["max_size"] == 6


def test_the_process_stops_with_code_2() -> None:
    """A wrong variable ends the start: one line, no traceback, exit code 2."""
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], **LOCAL, "ENVIRONMENT": "prod"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 2
    assert result.stderr == ("ENVIRONMENT must be one of local, staging, production, not 'prod'.\n")

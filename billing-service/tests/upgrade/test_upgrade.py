"""A database that an earlier version filled starts under this one, with nothing lost."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import httpx
import psycopg
import pytest
from django.conf import settings
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from tests.environment import free_port
from tests.signing import signing_key

_FOLDER = Path(__file__).resolve().parents[2]
_ROWS = Path(__file__).with_name("rows_of_23f2162.sql")
# The newest migrations of that version; those of Django and Procrastinate are the same today.
_SCHEMA_THEN = {"users": "0002", "subscriptions": "0003", "webhooks": "0002"}
_LIBRARIES = ("admin", "auth", "contenttypes", "sessions", "procrastinate")
_ALICE = UUID("60c234d4-b0be-40bc-896e-710f7598ea3d")
_LONG_SECONDS = 120.0


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of processes on a database of their own, with Stripe unreachable."""
    parts = urlsplit(settings.BILLING.database_url)
    name = f"upgrade_{os.getpid()}"
    server = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    yield {
        **os.environ,
        "BILLING_DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}")),
        "STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}",
    }
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _manage(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=_FOLDER, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


Rows = dict[str, dict[object, dict[str, object]]]


def _rows(environment: dict[str, str]) -> Rows:
    """Read all tables: name to primary key to columns."""
    with psycopg.connect(environment["BILLING_DATABASE_URL"], row_factory=dict_row) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return {
            (name := str(table["tablename"])): {
                row.get("id", str(row)): row
                for row in connection.execute(SQL("SELECT * FROM {}").format(Identifier(name)))
            }
            for table in tables
        }


@pytest.fixture(scope="module")
def upgraded(environment: dict[str, str]) -> tuple[Rows, dict[str, str]]:
    """The old database's rows, and the environment in which it is migrated."""
    for app, migration in _SCHEMA_THEN.items():
        _manage(environment, "migrate", app, migration)
    for app in _LIBRARIES:
        _manage(environment, "migrate", app)
    with psycopg.connect(environment["BILLING_DATABASE_URL"]) as connection:
        connection.execute(_ROWS.read_bytes())
    before = _rows(environment)
    _manage(environment, "migrate")
    return before, environment


def test_migrations_lose_no_row_and_change_no_value(upgraded: tuple[Rows, dict[str, str]]) -> None:
    """Every column that was there has the value it had, in every row."""
    before, environment = upgraded

    after = _rows(environment)

    filled = {table for table, rows in before.items() if rows}
    assert {"users_user", "subscriptions_customer", "webhooks_webhookevent"} <= filled
    for table in filled:
        for key, row in before[table].items():
            assert row.items() <= after[table][key].items(), (table, key)


def test_every_old_subscription_has_its_item(upgraded: tuple[Rows, dict[str, str]]) -> None:
    """What the version before kept in columns of the subscription is the first item's row."""
    before, environment = upgraded
    columns = ("stripe_item_id", "product_id", "price_reference", "currency", "interval")

    items = _rows(environment)["subscriptions_subscriptionitem"].values()

    then = before["subscriptions_subscription"].values()
    assert {tuple(each[name] for name in columns) for each in items} == {
        tuple(each[name] for name in columns) for each in then
    }
    assert len(items) == len(then)
    assert {each["quantity"] for each in items} == {1}


@contextlib.contextmanager
def _process(environment: dict[str, str], *command: str, log: Path) -> Iterator[None]:
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=_FOLDER, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_until(condition: Callable[[], bool], *, log: Path) -> None:
    deadline = time.monotonic() + _LONG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def test_the_web_answers_from_the_old_rows(
    upgraded: tuple[Rows, dict[str, str]], tmp_path: Path
) -> None:
    """A subscriber of the old version sees the subscription, and is not sold a second one."""
    before, environment = upgraded
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path / "web.log"
    headers = {"Authorization": f"JWT {signing_key().access_token(_ALICE, auth_epoch=1)}"}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    (row,) = (
        each for each in before["subscriptions_subscription"].values() if each["user_id"] == _ALICE
    )

    with _process(environment | {"BILLING_BIND": address}, *command, log=log):
        _wait_until(lambda: _answers(f"http://{address}/readyz"), log=log)
        status = httpx.get(
            f"http://{address}/api/subscriptions/status", headers=headers, timeout=30
        )
        again = httpx.post(
            f"http://{address}/api/subscriptions/subscribe",
            headers=headers,
            json={
                "subscription_product": "basic_subscription",
                "payment_method": "pm_card_visa",
            },
            timeout=60,
        )

    assert status.status_code == 200, status.text
    assert status.json()["id_reference"] == row["stripe_subscription_id"]
    assert status.json()["payment_gateway_status"] == "active"
    assert again.status_code == 409, again.text


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


def test_the_worker_runs_the_old_jobs_and_loses_nothing(
    upgraded: tuple[Rows, dict[str, str]], tmp_path: Path
) -> None:
    """With Stripe unreachable, what waited in the old version still waits for the new one."""
    before, environment = upgraded
    log = tmp_path / "worker.log"
    queued = set(before["procrastinate_jobs"])
    assert queued

    with _process(environment, sys.executable, "manage.py", "run_worker", log=log):
        _wait_until(lambda: not queued & _waiting_jobs(environment), log=log)

    after = _rows(environment)
    unknown = [job for job in after["procrastinate_jobs"].values() if job["status"] == "failed"]
    assert unknown == []
    kept: dict[str, dict[str, object]] = {
        "webhooks_webhookevent": {"state": "pending"},
        "subscriptions_subscribeattempt": {"state": "open"},
        "subscriptions_customer": {"deleted_at": None},
        "users_user": {"anonymised_at": None},
    }
    for table, unfinished in kept.items():
        was = {key for key, row in before[table].items() if unfinished.items() <= row.items()}
        still = {key for key, row in after[table].items() if unfinished.items() <= row.items()}
        assert was, table
        assert was <= still, table


def _waiting_jobs(environment: dict[str, str]) -> set[object]:
    with psycopg.connect(environment["BILLING_DATABASE_URL"]) as connection:
        found = connection.execute("SELECT id FROM procrastinate_jobs WHERE status = 'todo'")
        return {row[0] for row in found}

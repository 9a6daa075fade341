"""A database that an earlier version filled starts under this one, with nothing lost."""

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.environment import free_port
from tests.signing import signing_key
from tests.upgrade.old_installation import (
    ALICE,
    OLD_ROWS,
    Rows,
    answers,
    fill,
    manage,
    own_database,
    process,
    rows_of,
    wait_until,
)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of processes on a database of their own, with Stripe unreachable."""
    with own_database("upgrade") as variables:
        yield variables | {"STRIPE_API_BASE": f"http://127.0.0.1:{free_port()}"}


@pytest.fixture(scope="module")
def upgraded(environment: dict[str, str]) -> tuple[Rows, dict[str, str]]:
    """The old database's rows, and the environment in which it is migrated."""
    fill(environment, OLD_ROWS.read_text())
    before = rows_of(environment)
    manage(environment, "migrate")
    return before, environment


def test_migrations_lose_no_row_and_change_no_value(upgraded: tuple[Rows, dict[str, str]]) -> None:
    """Every column that was there has the value it had, in every row."""
    before, environment = upgraded

    after = rows_of(environment)

    filled = {table for table, rows in before.items() if rows}
    assert {"users_user", "subscriptions_customer", "webhooks_webhookevent"} <= filled
    for table in filled:
        for key, row in before[table].items():
            assert row.items() <= after[table][key].items(), (table, key)


def test_every_old_subscription_has_its_item(upgraded: tuple[Rows, dict[str, str]]) -> None:
    """What the version before kept in columns of the subscription is the first item's row."""
    before, environment = upgraded
    columns = ("stripe_item_id", "product_id", "price_reference", "currency", "interval")

    items = rows_of(environment)["subscriptions_subscriptionitem"].values()

    then = before["subscriptions_subscription"].values()
    assert {tuple(each[name] for name in columns) for each in items} == {
        tuple(each[name] for name in columns) for each in then
    }
    assert len(items) == len(then)
    assert {each["quantity"] for each in items} == {1}


def test_the_web_answers_from_the_old_rows(
    upgraded: tuple[Rows, dict[str, str]], tmp_path: Path
) -> None:
    """A subscriber of the old version sees the subscription, and is not sold a second one."""
    before, environment = upgraded
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path / "web.log"
    headers = {"Authorization": f"JWT {signing_key().access_token(ALICE, auth_epoch=1)}"}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    (row,) = (
        each for each in before["subscriptions_subscription"].values() if each["user_id"] == ALICE
    )

    with process(environment | {"BILLING_BIND": address}, *command, log=log):
        wait_until(lambda: answers(f"http://{address}/readyz"), log=log)
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


def test_the_worker_runs_the_old_jobs_and_loses_nothing(
    upgraded: tuple[Rows, dict[str, str]], tmp_path: Path
) -> None:
    """With Stripe unreachable, what waited in the old version still waits for the new one."""
    before, environment = upgraded
    log = tmp_path / "worker.log"
    queued = set(before["procrastinate_jobs"])
    assert queued

    with process(environment, sys.executable, "manage.py", "run_worker", log=log):
        wait_until(lambda: not queued & _waiting_jobs(environment), log=log)

    after = rows_of(environment)
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

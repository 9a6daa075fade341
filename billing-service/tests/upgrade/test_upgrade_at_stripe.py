"""The customers of an earlier version, at Stripe and here: rewritten, compared, restored."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from tests.auth_stand_in import CREATED_AT, AuthStandIn
from tests.environment import free_port
from tests.sandbox import Sandbox, started_sandbox
from tests.signing import signing_key
from tests.upgrade.old_installation import (
    OLD_ROWS,
    answers,
    fill,
    manage,
    own_database,
    process,
    rows_of,
    wait_until,
)


@dataclass(frozen=True, kw_only=True)
class Then:
    """One user of that version, and the ids that the rows have of the user's objects."""

    name: str
    user: str
    attempt: str
    card: str = "pm_card_visa"
    ids: tuple[str, ...] = ()
    is_deleted: bool = False


ALICE = Then(
    name="alice",
    user="60c234d4-b0be-40bc-896e-710f7598ea3d",
    attempt="af790f4c-c6c0-4d2c-bb05-62438b37bd00",
    ids=("cus_CTA4A2d02LXw7o", "pm_Sr35ADCTFfmZwXOv9pPDq9Mc", "sub_Fk9UFo63CBwL3AcGR1gnbf4z"),
)
BOB = Then(
    name="bob",
    user="5056143d-4391-4e29-8de5-f790ac184b3a",
    attempt="9d63a5d0-7252-4821-8025-769243b3e8c6",
    ids=("cus_Bmfl7cqlDbxbTt", "pm_Jw5CK06yx5XfXqQaIsPHn9q1", "sub_r0DMxnS3u3sQxIbi8lCoB57l"),
)
# Has not confirmed the first payment.
CAROL = Then(
    name="carol",
    user="2641042b-d7e1-42ff-8a66-c338f20ad00f",
    attempt="86ec8d13-5e15-4f07-b045-74c97789af50",
    card="pm_card_authenticationRequiredOnSetup",
    ids=("cus_xVb6fPEXdGMAtH", "pm_lMqRRSwvWUhsGHEu25TMCeIO", "sub_6yLRr9OdpJuFUVMX1GWBAI1j"),
)
# The customer's row is marked deleted, though Stripe has it.
ERIN = Then(
    name="erin",
    user="794043c9-2b7c-4485-94e9-7ae61a20e88b",
    attempt="b2d2f0d9-ec8c-41d4-8b06-db31a06e2847",
    ids=("cus_1sFBObQSAIWi5C", "pm_XSJoBWzFELsA3m2fpy0r9JHG", "sub_grAjVTef5iRl1xMaI2FgeQhA"),
)
# The answer to the subscription was lost, and the customer's id was not written yet.
DAVE = Then(
    name="dave",
    user="8cee6cad-5f6f-49f8-9d30-322de98690b2",
    attempt="61239a20-dfde-401d-aa0a-039828a458b6",
)
FORMER = (
    Then(
        name="",
        user="b42ff20d-3ea1-4287-ac27-564aef2a4176",
        attempt="41e0ec7d-69ff-4656-9969-a5a336798b12",
        ids=("cus_uHh4Jc9ddlso0H", "pm_E7ynM6QjjYIu0vI1i7LdqDFh", "sub_8ustffLQ22rNVA9d0jPHLhI1"),
        is_deleted=True,
    ),
    Then(
        name="",
        user="39461dd8-83dd-4ba3-b8c9-21edcee73965",
        attempt="3b4b573b-0710-4620-b2b2-14c0132588bf",
        ids=("cus_HhWSdXI8CeEOq0", "pm_7LNbyiUnEVFbhW6NbHN9AirP", "sub_iKVYpFP0q52yGMYpV50AXbsl"),
        is_deleted=True,
    ),
)
# Has opened a checkout page.
HEIDI = "c87dee35-12a3-4d6a-86df-c5042f1d75ed"
HEIDIS_IDS = ("cus_DlfVPTtR3sSyrH", "cs_test_aapVGPDLkg0IwQG7Fei4dwQE")
PAYING = (ALICE, BOB, ERIN, DAVE)


@pytest.fixture
def account() -> Iterator[Sandbox]:
    """An account of its own at Stripe."""
    with started_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def upgraded(
    account: Sandbox, auth_service: AuthStandIn, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """The old database, migrated, and the same objects at Stripe; the worker has run."""
    _know_the_users(auth_service)
    with own_database("upgrade_at_stripe") as variables:
        environment = variables | {"STRIPE_API_BASE": account.base}
        fill(environment, _rows_of_the_account(account))
        manage(environment, "migrate")
        log = tmp_path / "worker.log"
        with process(environment, sys.executable, "manage.py", "run_worker", log=log):
            wait_until(lambda: not _waiting(environment), log=log)
        yield environment


def _know_the_users(auth_service: AuthStandIn) -> None:
    """Let auth-service have the users of the rows, and its feed say what it said."""
    inserted = r"users_user .*VALUES \([^,]*, (\w+), '([0-9a-f-]+)', '([^']*)', '([^']*)', (\w+), "
    for superuser, user_id, name, email, active in re.findall(inserted, OLD_ROWS.read_text()):
        auth_service.users[user_id] = {
            "id": user_id,
            "username": name,
            "email": email,
            "is_active": active == "true",
            "is_staff": superuser == "true",
            "is_superuser": superuser == "true",
            "auth_epoch": 1,
            "version": 9,
            "created_at": CREATED_AT,
        }
        auth_service.changes.append((user_id, name.startswith("deleted:")))
    assert len(auth_service.changes) == 9


def _rows_of_the_account(account: Sandbox) -> str:
    """Make what that version had made at Stripe; return its rows with the ids of now."""
    rows = OLD_ROWS.read_text()
    subscriptions = {}
    for then in (ALICE, BOB, CAROL, ERIN, DAVE, *FORMER):
        *made, item = _subscribed(account, then)
        subscriptions[then.name] = made[2]
        if then.is_deleted:
            account.delete(f"/v1/customers/{made[0]}")
        for old, new in zip(then.ids, made, strict=bool(then.ids)):
            rows = rows.replace(old, new)
        rows = re.sub(rf"'{made[2]}', 'si_\w+'", f"'{made[2]}', '{item}'", rows)
    account.post(f"/v1/subscriptions/{subscriptions[ALICE.name]}", cancel_at_period_end="true")
    heidi = account.post("/v1/customers", **{"metadata[user_id]": HEIDI})
    page = account.post(
        "/v1/checkout/sessions",
        mode="subscription",
        customer=heidi["id"],
        success_url="http://localhost/",
        **{"line_items[0][price]": "price_sandbox_basic", "line_items[0][quantity]": 1},
    )
    for old, new in zip(HEIDIS_IDS, (heidi["id"], page["id"]), strict=True):
        rows = rows.replace(old, new)
    # Stripe keeps idempotency keys for a day: the attempt was opened today.
    return rows.replace("2026-11-26 15:44:08.637473+00", datetime.now(UTC).isoformat())


def _subscribed(account: Sandbox, then: Then) -> tuple[str, ...]:
    metadata = {"metadata[attempt]": then.attempt, "metadata[user_id]": then.user}
    card = {
        "payment_method": then.card,
        "invoice_settings[default_payment_method]": then.card,
    }
    customer = account.post("/v1/customers", **card, **metadata)
    subscription = account.post(
        "/v1/subscriptions",
        customer=customer["id"],
        payment_behavior="allow_incomplete",
        **{"items[0][price]": "price_sandbox_basic"},
        **metadata,
    )
    default = customer["invoice_settings"]["default_payment_method"]
    return customer["id"], default, subscription["id"], subscription["items"]["data"][0]["id"]


def _waiting(environment: dict[str, str]) -> bool:
    rows = rows_of(environment)
    return any(
        each["state"] in ("open", "pending")
        for table in ("subscriptions_subscribeattempt", "webhooks_webhookevent")
        for each in rows[table].values()
    )


def _states(environment: dict[str, str]) -> dict[str, Any]:
    rows = rows_of(environment)["subscriptions_subscription"].values()
    return {str(each["user_id"]): each["stripe_status"] for each in rows if each["is_current"]}


def _is_marked_deleted(environment: dict[str, str], user: str) -> bool:
    rows = rows_of(environment)["subscriptions_customer"].values()
    return all(each["deleted_at"] for each in rows if str(each["user_id"]) == user)


def test_every_subscriber_is_kept_and_no_restored_one_pays_twice(
    upgraded: dict[str, str], account: Sandbox, tmp_path: Path
) -> None:
    """Worker, rewrite, comparison; then a dump from before the customers is restored."""
    rewritten = manage(upgraded, "stripe_rewrite_metadata", "--per-second", "100")
    again = manage(upgraded, "stripe_rewrite_metadata")
    assert "6 written, 0 had it, 0 not in the database, 0 not written" in rewritten
    assert "0 written, 6 had it" in again

    manage(upgraded, "stripe_reconcile", "--fix")
    manage(upgraded, "stripe_reconcile", "--dry-run")
    expected = {each.user: "active" for each in PAYING} | {CAROL.user: "incomplete"}
    expected |= {each.user: "canceled" for each in FORMER}
    assert _states(upgraded) == expected
    assert not _is_marked_deleted(upgraded, ERIN.user)
    assert all(_is_marked_deleted(upgraded, each.user) for each in FORMER)
    subscriptions = {each["id"] for each in account.all("/v1/subscriptions", status="all")}
    assert len(account.all("/v1/charges")) == len((*PAYING, *FORMER))

    with psycopg.connect(upgraded["BILLING_DATABASE_URL"]) as connection:
        connection.execute("TRUNCATE subscriptions_customer CASCADE")
    manage(upgraded, "stripe_reconcile", "--fix")
    manage(upgraded, "stripe_reconcile", "--dry-run")

    del expected[FORMER[0].user], expected[FORMER[1].user]
    assert _states(upgraded) == expected
    address, log = f"127.0.0.1:{free_port()}", tmp_path / "web.log"
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    with process(upgraded | {"BILLING_BIND": address}, *command, log=log):
        wait_until(lambda: answers(f"http://{address}/readyz"), log=log)
        refused = [_subscribe(address, each) for each in PAYING]
    assert refused == [(409, "already_subscribed")] * len(PAYING)
    assert {each["id"] for each in account.all("/v1/subscriptions", status="all")} == subscriptions


def _subscribe(address: str, then: Then) -> tuple[int, str]:
    token = signing_key().access_token(UUID(then.user), auth_epoch=1)
    answer = httpx.post(
        f"http://{address}/api/subscriptions/subscribe",
        headers={"Authorization": f"JWT {token}"},
        json={"subscription_product": "basic_subscription", "payment_method": "pm_card_visa"},
        timeout=60,
    )
    return answer.status_code, answer.json()["code"]

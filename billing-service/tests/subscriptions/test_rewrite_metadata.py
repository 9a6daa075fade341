"""`manage.py stripe_rewrite_metadata`: customers of earlier versions get our metadata key."""

import time
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from subscriptions.models import Customer
from tests.auth_stand_in import AuthStandIn
from tests.sandbox import Sandbox, key_of, started_sandbox
from users.feed import apply_user_changes
from users.mirror import mirror_user

OUR_KEY = "billing_service_user_id"
Run = tuple[int, str, str]


def rewrite(*options: str) -> Run:
    """Run the command; return its exit code, what it printed, and what it said beside that."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command(
            "stripe_rewrite_metadata", "--per-second", "1000", *options, stdout=out, stderr=err
        )
    except CommandError as refusal:
        code = refusal.returncode
        err.write(str(refusal))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def users(stripe: Sandbox, auth_service: AuthStandIn) -> list[UUID]:
    """Users whose customers an earlier version made; Stripe has no others."""
    for customer in stripe.all("/v1/customers"):
        stripe.delete(f"/v1/customers/{customer['id']}")
    ids = [auth_service.add_user(f"user-{number}") for number in range(3)]
    apply_user_changes()
    for user_id in ids:
        made = stripe.post("/v1/customers", **{"metadata[user_id]": str(user_id)})
        Customer.objects.create(user_id=user_id, stripe_customer_id=made["id"])
    return ids


def metadata_of(stripe: Sandbox, user_id: UUID) -> dict[str, Any]:
    """Return what stands at the user's customer."""
    row = Customer.objects.get(user_id=user_id)
    found: dict[str, Any] = stripe.get(f"/v1/customers/{row.stripe_customer_id}")["metadata"]
    return found


def test_every_customer_in_the_database_gets_the_key_once(
    users: list[UUID], stripe: Sandbox
) -> None:
    """The old key stays, for others may read it; a second run has nothing to do."""
    first = rewrite()
    second = rewrite()

    assert first[:2] == (
        0,
        "3 customers: 3 written, 0 had it, 0 not in the database, 0 not written.\n",
    )
    assert second[:2] == (
        0,
        "3 customers: 0 written, 3 had it, 0 not in the database, 0 not written.\n",
    )
    for user_id in users:
        assert metadata_of(stripe, user_id) == {OUR_KEY: str(user_id), "user_id": str(user_id)}


def test_a_dry_run_writes_nothing(users: list[UUID], stripe: Sandbox) -> None:
    """It says how many it would write."""
    assert rewrite("--dry-run")[:2] == (
        0,
        "3 customers: 3 to write, 0 had it, 0 not in the database, 0 not written.\n",
    )
    assert OUR_KEY not in metadata_of(stripe, users[0])


def test_customers_of_other_applications_are_not_written(
    users: list[UUID], stripe: Sandbox
) -> None:
    """Not even if they name one of our users; nor one that was taken for a user's by mistake."""
    stranger = uuid4()
    mirror_user(stranger)
    adopted = stripe.post("/v1/customers", **{"metadata[user_id]": str(stranger)})
    Customer.objects.create(user_id=stranger, stripe_customer_id=adopted["id"])
    other = stripe.post("/v1/customers", **{"metadata[user_id]": str(users[0])})

    code, _, said = rewrite()

    assert code == 1
    assert f"{adopted['id']}: auth-service does not know its user {stranger}." in said
    for customer in (adopted, other):
        assert OUR_KEY not in stripe.get(f"/v1/customers/{customer['id']}")["metadata"]


def test_what_cannot_be_written_is_named_and_the_rest_is_done(
    users: list[UUID], stripe: Sandbox
) -> None:
    """One names another user, one cannot take another key, one does not exist at Stripe."""
    rows = [Customer.objects.get(user_id=user_id) for user_id in users]
    names = [str(row.stripe_customer_id) for row in rows]
    another = uuid4()
    stripe.post(f"/v1/customers/{names[0]}", **{f"metadata[{OUR_KEY}]": str(another)})
    for begin in (0, 25):
        full = {f"metadata[key-{number}]": "x" for number in range(begin, begin + 25)}
        if begin:
            full.popitem()
        stripe.post(f"/v1/customers/{names[1]}", **full)
    Customer.objects.create(user_id=mirrored(), stripe_customer_id="cus_nowhere")

    code, _, said = rewrite()

    assert code == 1
    assert f"{names[0]}: it names user {another}, but is user {users[0]}'s here." in said
    assert f"{names[1]}: The payment gateway refused the request." in said
    assert "cus_nowhere: Stripe does not list it" in said
    assert "3 customers are without the metadata key." in said
    assert metadata_of(stripe, users[2])[OUR_KEY] == str(users[2])


def mirrored() -> UUID:
    """Make another user."""
    user_id = uuid4()
    mirror_user(user_id)
    return user_id


def test_an_outage_in_the_middle_is_continued_with_the_same_command(
    users: list[UUID], stripe: Sandbox
) -> None:
    """What is done is passed over; the sentence says what to do."""
    with stripe.fault(effect="error", status=500, path="/v1/customers/*", method="POST", skip=1):
        code, _, said = rewrite()

    assert code == 1
    assert "Run the command again to continue." in said
    assert rewrite()[:2] == (
        0,
        "3 customers: 2 written, 1 had it, 0 not in the database, 0 not written.\n",
    )


def test_a_rate_limit_is_waited_for(
    users: list[UUID], stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe asks to come back; the run goes on by itself."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with stripe.fault(effect="error", status=429, path="/v1/customers/*", method="POST", times=3):
        code, _, _ = rewrite()

    assert code == 0
    assert max(pauses) >= 2


@pytest.fixture(scope="module")
def other_account() -> Iterator[Sandbox]:
    with started_sandbox() as sandbox:
        yield sandbox


def test_with_another_accounts_key_nothing_is_written(
    users: list[UUID], stripe: Sandbox, other_account: Sandbox
) -> None:
    """The sentence names both accounts."""
    assert rewrite("--dry-run")[0] == 0

    with key_of(other_account):
        code, _, said = rewrite()

    assert code == 1
    assert "stripe_account move --to" in said
    assert OUR_KEY not in metadata_of(stripe, users[0])

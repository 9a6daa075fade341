"""What a user without rights can try on the whole system, through the gateway."""

import hashlib
import hmac
import json
import time
import uuid

import httpx
import pytest

from e2e.people import Person
from e2e.system import RunningSystem

OLD_SECONDS = 600


def event() -> bytes:
    """An event that would be processed if it were Stripe's."""
    return json.dumps(
        {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "type": "customer.subscription.deleted",
            "created": int(time.time()),
            "livemode": False,
            "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1"}},
        }
    ).encode()


def deliver(
    running: RunningSystem, body: bytes, *, secret: str, age_seconds: int = 0
) -> httpx.Response:
    """Sign a body as Stripe does and deliver it."""
    moment = int(time.time()) - age_seconds
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    signature = {"Stripe-Signature": f"t={moment},v1={digest}"}
    return running.client.post(
        f"{running.url}/api/stripe-webhook/", content=body, headers=signature
    )


@pytest.fixture
def stored(running: RunningSystem) -> int:
    """How many events the inbox holds before the attack."""
    return inbox(running)


def inbox(running: RunningSystem) -> int:
    """Count the events in the inbox."""
    return int(running.sql("billing", "SELECT count(*) FROM webhooks_webhookevent"))


def secret_of(running: RunningSystem) -> str:
    """The secret that Stripe signs with."""
    return running.settings.values["STRIPE_WEBHOOK_SECRET"].split(",")[0]


def test_events_that_stripe_did_not_sign_are_not_stored(
    running: RunningSystem, stored: int
) -> None:
    """Another secret, an old recording, no signature at all: 400, and nothing in the inbox."""
    answers = [
        deliver(running, event(), secret="whsec_of_someone_else"),
        deliver(running, event(), secret=secret_of(running), age_seconds=OLD_SECONDS),
        running.client.post(f"{running.url}/api/stripe-webhook/", content=event()),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert inbox(running) == stored


def test_a_recorded_delivery_can_be_replayed_without_effect(running: RunningSystem) -> None:
    """While its signature is valid, for five minutes, the event id makes a repetition harmless."""
    before, body = inbox(running), event()

    answers = [deliver(running, body, secret=secret_of(running)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert inbox(running) == before + 1


def test_a_body_of_five_megabytes_is_refused_at_the_door(
    running: RunningSystem, stored: int
) -> None:
    """Even signed: no event of Stripe's is that large."""
    answer = deliver(running, b" " * 5_000_000, secret=secret_of(running))

    assert answer.status_code == 413
    assert inbox(running) == stored


def test_guesses_are_counted_whatever_address_is_claimed(running: RunningSystem) -> None:
    """A new X-Forwarded-For for each guess buys no further guess."""
    guess = {"username": f"unknown-{uuid.uuid4().hex[:8]}", "password": "a wrong password"}

    answers = [
        running.client.post(
            f"{running.url}/api/token/obtain",
            json=guess,
            headers={
                "X-Forwarded-For": f"198.51.100.{number}",
                "X-Real-IP": f"198.51.100.{number}",
                "Forwarded": f"for=198.51.100.{number}",
            },
        )
        for number in range(7)
    ]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_no_user_sees_or_changes_the_subscription_of_another(running: RunningSystem) -> None:
    """The user is the token's, whatever else the request names."""
    owner, stranger = running.new_person(), running.new_person()
    subscribed = owner.subscribe()
    assert subscribed.status_code == 200
    reference = subscribed.json()["id_reference"]
    named = {"id_reference": reference, "user": owner.id, "id": owner.id, "subscription": reference}

    seen = stranger.get("/api/subscriptions/status", params=named)
    touched = stranger.post("/api/subscriptions/cancel", {"at_period_end": False, **named})

    assert (seen.status_code, seen.json()["code"]) == (404, "no_subscription")
    assert touched.status_code in (400, 404)
    assert reference not in touched.text
    assert owner.status()["payment_gateway_status"] == "active"


def test_staff_without_permission_reach_nothing_but_their_own(running: RunningSystem) -> None:
    """`is_staff` opens the door of the admin; permissions open its rooms."""
    clerk: Person = running.new_person(is_staff=True)

    internal = running.client.get(
        f"{running.url}/internal/users", headers={"Authorization": f"Bearer {clerk.access}"}
    )

    assert internal.status_code == 404
    assert clerk.get("/api/token/me").json()["is_superuser"] is False
    # A token is no session: the admin asks for a log-in of its own.
    assert clerk.get("/admin/users/user/").status_code == 302

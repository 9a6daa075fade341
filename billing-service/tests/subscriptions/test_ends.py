"""Subscriptions that end at a moment of their own, as the customer portal lets them."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.subscriptions.person import Person


@pytest.fixture
def subscriber(person: Person) -> Person:
    """Someone with the basic product, in flexible billing mode."""
    assert person.subscribe().status_code == 200
    person.hear_from_stripe()
    return person


def _at_stripe(person: Person, **changes: Any) -> dict[str, Any]:
    (subscription,) = person.stripe.subscriptions_of(person.id)
    return person.stripe.post(f"/v1/subscriptions/{subscription['id']}", **changes)


def test_a_cancellation_in_the_portal_shows_its_end(subscriber: Person) -> None:
    """The portal sets `cancel_at` alone; callers see that it ends with the paid period."""
    changed = _at_stripe(subscriber, cancel_at="max_period_end")
    assert changed["cancel_at_period_end"] is False
    subscriber.hear_from_stripe()

    body = subscriber.status()

    assert (body["status"], body["cancel_at_period_end"]) == ("successful", True)
    assert body["ends_at"] == body["access_until"] == body["current_period_end"]


def test_a_cancellation_in_the_portal_can_be_taken_back(subscriber: Person) -> None:
    """Also before we have heard of it."""
    _at_stripe(subscriber, cancel_at="max_period_end")

    body = subscriber.post("resume").json()

    assert (body["cancel_at_period_end"], body["ends_at"]) == (False, None)
    assert _at_stripe(subscriber)["cancel_at"] is None
    assert subscriber.post("resume").json()["code"] == "wrong_state"


def test_access_ends_with_a_subscription_that_ends_before_its_period(subscriber: Person) -> None:
    """A fixed end is shown as it is, and a cancellation does not put it off."""
    end = int(time.time()) + 5 * 86400
    _at_stripe(subscriber, cancel_at=end)
    subscriber.hear_from_stripe()

    body = subscriber.status()

    shown = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (body["ends_at"], body["access_until"]) == (shown, shown)
    assert body["cancel_at_period_end"] is False
    assert subscriber.post("cancel").json()["ends_at"] == shown
    assert subscriber.post("resume").json()["access_until"] == body["current_period_end"]


def test_a_later_fixed_end_gives_way_to_a_cancellation(subscriber: Person) -> None:
    """The paid period is the last one then."""
    _at_stripe(subscriber, cancel_at=int(time.time()) + 200 * 86400)
    subscriber.hear_from_stripe()
    assert subscriber.status()["access_until"] == subscriber.status()["current_period_end"]

    body = subscriber.post("cancel").json()

    assert body["ends_at"] == body["current_period_end"]


def test_what_has_ended_says_when(subscriber: Person) -> None:
    """The moment at which it was cancelled."""
    body = subscriber.post("cancel", {"at_period_end": False}).json()

    assert body["ends_at"] == body["access_until"] is not None

"""Reads answer without Stripe; the client secret of a payment has a call of its own."""

import pytest
from django.core.cache import caches

from subscriptions.stripe_gateway import client as stripe_client
from tests.sandbox import Sandbox
from tests.subscriptions.person import NEEDS_AUTHENTICATION, Person


def _no_call() -> None:
    raise AssertionError("Stripe was called")


def test_status_and_entitlements_never_call_stripe(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages poll them while their user is at the bank; the hosted page is still shown."""
    assert person.subscribe(NEEDS_AUTHENTICATION).status_code == 200
    monkeypatch.setattr(stripe_client, "client", _no_call)

    action = person.status()["next_action"]

    assert (action["type"], action["client_secret"]) == ("authenticate", None)
    assert action["hosted_invoice_url"].startswith("http")
    assert person.get("entitlements").json()["products"] == []


def test_the_client_secret_has_a_call_of_its_own(person: Person) -> None:
    """Someone who reloads the page completes the payment that subscribe began."""
    first = person.subscribe(NEEDS_AUTHENTICATION).json()["next_action"]

    answer = person.get("next-action")

    assert answer.json() == {"next_action": first}
    assert answer["Cache-Control"] == "no-store"
    person.stripe.authenticate(first["client_secret"].partition("_secret")[0])
    person.hear_from_stripe()
    assert person.get("next-action").json() == {"next_action": None}


def test_the_client_secret_is_not_left_out_while_stripe_is_unavailable(
    person: Person, stripe: Sandbox
) -> None:
    """A page that got none would show nothing to complete."""
    assert person.get("next-action").json()["code"] == "no_subscription"
    person.subscribe(NEEDS_AUTHENTICATION)
    with stripe.fault(effect="error", status=503):
        assert person.get("next-action").status_code == 503


def test_asking_for_the_client_secret_is_limited(person: Person, stripe: Sandbox) -> None:
    """Each call is one at Stripe, whichever process answers; another user is not held up."""
    assert person.subscribe(NEEDS_AUTHENTICATION).status_code == 200
    answers = [person.get("next-action") for _ in range(30)]
    # Another process has a memory of its own.
    caches["default"].clear()
    refused = person.get("next-action")

    assert {each.status_code for each in answers} == {200}
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 61
    other = Person(stripe)
    assert other.subscribe(NEEDS_AUTHENTICATION).status_code == 200
    assert other.get("next-action").status_code == 200

"""Paused subscriptions, and collection that staff paused: what is shown, and the way out."""

from datetime import UTC, datetime, timedelta

import pytest

from subscriptions.models import CardFailure
from tests.subscriptions.person import Person
from tests.subscriptions.renewals import Renewals


@pytest.fixture
def trialist(person: Person) -> Person:
    """A user whose trial has ended without a card."""
    begin = datetime.now(UTC) - timedelta(days=10)
    pause = {"trial_settings[end_behavior][missing_payment_method]": "pause"}
    trial = Renewals(person, begin, trial_period_days=7, **pause)
    for card in person.stripe.all(f"/v1/customers/{trial.customer}/payment_methods"):
        person.stripe.post(f"/v1/payment_methods/{card['id']}/detach")
    trial.advance(begin + timedelta(days=8))
    person.hear_from_stripe()
    return person


def subscriber(person: Person, **change: str) -> Person:
    """Return a subscriber whose subscription was changed at Stripe."""
    assert person.subscribe().status_code == 200
    (subscription,) = person.stripe.subscriptions_of(person.id)
    path = f"/v1/subscriptions/{subscription['id']}"
    person.stripe.post(path if change else f"{path}/pause", **change)
    person.hear_from_stripe()
    return person


def next_step(person: Person) -> str | None:
    """Return the type of what the user can do next."""
    action = person.status()["next_action"]
    return None if action is None else str(action["type"])


def test_a_trial_that_ended_without_a_card_is_resumed_with_one(trialist: Person) -> None:
    """The status asks for a card, then to resume; nothing is charged before."""
    assert trialist.words() == ("failed", "paused")
    assert next_step(trialist) == "add_card"
    refused = trialist.post("resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_method_required")

    added = trialist.post("payment-method", {"payment_method": "pm_card_visa"})
    assert added.status_code == 200
    assert next_step(trialist) == "resume"
    assert trialist.stripe.charges_of(trialist.id) == []

    resumed = trialist.post("resume")

    assert (resumed.status_code, resumed.json()["payment_gateway_status"]) == (200, "active")
    assert trialist.words() == ("successful", "active")
    assert next_step(trialist) is None
    assert len(trialist.stripe.charges_of(trialist.id)) == 1


@pytest.mark.parametrize("call", ["subscribe", "change", "change/preview"])
def test_a_paused_subscriber_is_sent_to_resume(person: Person, call: str) -> None:
    """One sentence says what to do, instead of a second subscription."""
    subscriber(person)

    body = {"subscription_product": "pro_subscription"}
    card = {"payment_method": "pm_card_visa"} if call == "subscribe" else {}
    refused = person.post(call, body | card)

    assert (refused.status_code, refused.json()["code"]) == (409, "subscription_paused")
    assert next_step(person) == "resume"
    assert person.post("resume").status_code == 200
    assert person.words() == ("successful", "active")


def test_a_pause_that_we_have_not_heard_of_is_named_as_well(person: Person) -> None:
    """An earlier customer's subscription at Stripe, seen while subscribing."""
    assert person.subscribe().status_code == 200
    person.hear_from_stripe()
    (subscription,) = person.stripe.subscriptions_of(person.id)
    person.post("cancel", {"at_period_end": False})
    person.stripe.post(
        "/v1/subscriptions",
        **{"customer": subscription["customer"], "items[0][price]": "price_sandbox_basic"},
    )
    newest, _ = person.stripe.subscriptions_of(person.id)
    person.stripe.post(f"/v1/subscriptions/{newest['id']}/pause")

    refused = person.subscribe()

    assert (refused.status_code, refused.json()["code"]) == (409, "subscription_paused")
    assert person.words() == ("failed", "paused")


def test_a_card_that_does_not_pay_leaves_a_subscription_paused(trialist: Person) -> None:
    """No access for nothing; the invoice can be paid with another card, and once only."""
    added = trialist.post("payment-method", {"payment_method": "pm_card_chargeCustomerFail"})
    assert added.status_code == 200

    refused = trialist.post("resume")

    assert (refused.status_code, refused.json()["code"]) == (400, "card_declined")
    assert CardFailure.objects.filter(user_id=trialist.id).exists()
    assert trialist.words() == ("failed", "paused")
    assert next_step(trialist) == "pay_invoice"
    trialist.post("payment-method", {"payment_method": "pm_card_visa"})
    assert trialist.post("resume").status_code == 200
    assert trialist.words() == ("successful", "active")
    assert len(trialist.stripe.charges_of(trialist.id)) == 1


def test_a_card_that_requires_3d_secure_is_asked_for_before_a_pause_ends(trialist: Person) -> None:
    """The status leads to the page of the invoice."""
    (subscription,) = trialist.stripe.subscriptions_of(trialist.id)
    card = trialist.stripe.post(
        "/v1/payment_methods/pm_card_authenticationRequired/attach",
        customer=subscription["customer"],
    )
    path = f"/v1/subscriptions/{subscription['id']}"
    trialist.stripe.post(path, default_payment_method=card["id"])
    trialist.hear_from_stripe()

    answer = trialist.post("resume")

    assert answer.status_code == 200
    action = answer.json()["next_action"]
    assert (action["type"], bool(action["hosted_invoice_url"])) == ("pay_invoice", True)
    assert trialist.words() == ("failed", "paused")


def test_collection_that_staff_paused_is_shown_and_is_theirs_to_resume(person: Person) -> None:
    """The user keeps access; a change would be given away, so it is refused in one sentence."""
    subscriber(person, **{"pause_collection[behavior]": "keep_as_draft"})

    body = person.status()
    assert (body["status"], body["collection_paused"]) == ("successful", True)
    for call in ("change", "change/preview"):
        refused = person.post(call, {"subscription_product": "pro_subscription"})
        assert (refused.status_code, refused.json()["code"]) == (409, "collection_paused")
    refused = person.post("resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "collection_paused")
    assert person.subscribe().json()["code"] == "already_subscribed"

    (subscription,) = person.stripe.subscriptions_of(person.id)
    person.stripe.post(f"/v1/subscriptions/{subscription['id']}", pause_collection="")
    person.hear_from_stripe()
    assert person.status()["collection_paused"] is False

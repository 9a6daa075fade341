"""Money that goes back: what staff see, and what becomes of a user's access."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from subscriptions.models import Subscription
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from tests.subscriptions.renewals import Renewals
from webhooks.models import WebhookEvent

DISPUTED = "4000000000000259"
INQUIRED = "4000000000001976"


@pytest.fixture
def _refunds_end_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, refund_ends_access=True))


@pytest.fixture
def _disputes_do_not_end_access(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, dispute_ends_access=False))


def subscribed(person: Person, number: str) -> Person:
    """Subscribe with a card and hear what follows, also of what we do about it."""
    assert person.subscribe(number).status_code == 200
    person.hear_from_stripe()
    person.hear_from_stripe()
    return person


def entitlements(person: Person) -> list[str]:
    """Return the products that the user may use."""
    products: list[str] = person.get("entitlements").json()["products"]
    return products


def at_stripe(person: Person) -> dict[str, Any]:
    """Return the user's only subscription as Stripe has it."""
    (subscription,) = person.stripe.subscriptions_of(person.id)
    return subscription


def decide(person: Person, evidence: str) -> None:
    """Let the bank decide the user's dispute."""
    (charge,) = person.stripe.charges_of(person.id)
    (dispute,) = person.stripe.all("/v1/disputes", charge=charge["id"])
    person.stripe.post(
        f"/v1/disputes/{dispute['id']}", **{"evidence[uncategorized_text]": evidence}
    )
    person.hear_from_stripe()
    person.hear_from_stripe()


def refund(person: Person, **amount: int) -> None:
    """Refund the user's payment in Stripe's dashboard."""
    (charge,) = person.stripe.charges_of(person.id)
    person.stripe.post("/v1/refunds", charge=charge["id"], **amount)
    person.hear_from_stripe()


def test_a_disputed_payment_ends_access_and_pauses_collection(person: Person) -> None:
    """The status says why there is no access, and what the user can do."""
    subscribed(person, DISPUTED)

    body = person.status()

    assert (body["status"], body["payment_gateway_status"]) == ("failed", "active")
    assert body["access_until"] is None
    assert body["next_action"]["type"] == "resolve_dispute"
    assert entitlements(person) == []
    assert at_stripe(person)["pause_collection"]["behavior"] == "void"


def test_a_dispute_that_is_won_gives_access_back_and_collects_again(person: Person) -> None:
    """As if there had been none."""
    subscribed(person, DISPUTED)

    decide(person, "winning_evidence")

    body = person.status()
    assert (body["status"], body["next_action"]) == ("successful", None)
    assert entitlements(person) == ["basic_subscription"]
    subscription = at_stripe(person)
    assert (
        subscription["pause_collection"],
        subscription["metadata"].get("billing_service_paused_for"),
    ) == (
        None,
        None,
    )


def test_a_dispute_that_is_lost_ends_the_subscription(person: Person) -> None:
    """It is cancelled at Stripe, so nothing is billed any more and the user can subscribe again."""
    subscribed(person, DISPUTED)

    decide(person, "losing_evidence")

    assert person.words() == ("canceled", "canceled")
    assert entitlements(person) == []
    assert at_stripe(person)["status"] == "canceled"
    assert person.subscribe().status_code == 200
    assert person.words() == ("successful", "active")


def test_an_inquiry_of_a_bank_is_no_dispute_yet(person: Person) -> None:
    """No money is claimed back: access stays."""
    subscribed(person, INQUIRED)

    assert person.words() == ("successful", "active")
    assert at_stripe(person)["pause_collection"] is None


@pytest.mark.usefixtures("_disputes_do_not_end_access")
def test_a_dispute_changes_nothing_where_the_operator_decided_so(person: Person) -> None:
    """DISPUTE_ENDS_ACCESS=no: staff alone decide."""
    subscribed(person, DISPUTED)

    assert person.words() == ("successful", "active")
    assert at_stripe(person)["pause_collection"] is None
    decide(person, "losing_evidence")
    assert person.words() == ("successful", "active")


def test_a_pause_that_staff_made_outlasts_a_dispute(person: Person) -> None:
    """Only what was paused for the dispute is resumed with it."""
    assert person.subscribe(DISPUTED).status_code == 200
    path = f"/v1/subscriptions/{at_stripe(person)['id']}"
    person.stripe.post(path, **{"pause_collection[behavior]": "keep_as_draft"})
    person.hear_from_stripe()

    decide(person, "winning_evidence")

    assert at_stripe(person)["pause_collection"]["behavior"] == "keep_as_draft"
    assert person.words() == ("successful", "active")


def test_a_disputing_user_is_not_sold_a_second_subscription(person: Person) -> None:
    """The refusal says why."""
    subscribed(person, DISPUTED)

    answer = person.subscribe()

    assert (answer.status_code, answer.json()["code"]) == (409, "payment_disputed")


def test_a_refund_leaves_access_alone(person: Person) -> None:
    """The default: what a refund means is for staff to decide."""
    subscribed(person, "4242424242424242")

    refund(person)

    assert person.words() == ("successful", "active")
    assert entitlements(person) == ["basic_subscription"]


@pytest.mark.usefixtures("_refunds_end_access")
def test_a_full_refund_ends_the_subscription_where_the_operator_decided_so(person: Person) -> None:
    """REFUND_ENDS_ACCESS=yes: it is cancelled at Stripe, and nothing is billed any more."""
    subscribed(person, "4242424242424242")

    refund(person)

    assert person.words() == ("canceled", "canceled")
    assert entitlements(person) == []
    assert at_stripe(person)["status"] == "canceled"


@pytest.mark.usefixtures("_refunds_end_access")
def test_a_partial_refund_never_ends_access(person: Person) -> None:
    """Not even one after the other, until all is refunded."""
    subscribed(person, "4242424242424242")

    refund(person, amount=400)
    assert person.words() == ("successful", "active")

    refund(person, amount=600)
    assert person.words() == ("canceled", "canceled")


@pytest.mark.usefixtures("_refunds_end_access")
def test_a_refund_of_an_earlier_period_leaves_the_paid_one_alone(person: Person) -> None:
    """The period that runs is paid for."""
    begin = datetime.now(UTC) - timedelta(days=40)
    renewals = Renewals(person, begin)
    renewals.advance(begin + timedelta(days=35))
    person.hear_from_stripe()
    newest, first = person.stripe.charges_of(person.id)

    person.stripe.post("/v1/refunds", charge=first["id"])
    person.hear_from_stripe()
    assert person.words() == ("successful", "active")

    person.stripe.post("/v1/refunds", charge=newest["id"])
    person.hear_from_stripe()
    assert person.words() == ("canceled", "canceled")


def test_staff_see_refunds_and_disputes_on_the_timeline(
    person: Person, stripe: Sandbox, staff_client: Client
) -> None:
    """How much, of which payment, why and how far it is."""
    subscribed(person, DISPUTED)
    other = subscribed(Person(stripe), "4242424242424242")
    refund(other, amount=400)

    disputed = staff_client.get(f"/admin/timeline/{person.id}/").content.decode()
    refunded = staff_client.get(f"/admin/timeline/{other.id}/").content.decode()

    assert "dispute of 10.00 USD" in disputed
    assert "needs_response" in disputed
    assert "charge.dispute.created" in disputed
    assert "refund of 4.00 USD" in refunded
    assert "refund of" not in disputed


def test_refunds_and_disputes_of_other_products_are_left_alone(
    stripe: Sandbox, person: Person
) -> None:
    """Of customers that are no users of ours, and of other subscriptions of ours."""
    subscribed(person, "4242424242424242")
    stranger = stripe.post(
        "/v1/customers",
        **{
            "payment_method": "pm_card_createDispute",
            "invoice_settings[default_payment_method]": "pm_card_createDispute",
        },
    )["id"]
    stripe.post(
        "/v1/subscriptions", **{"customer": stranger, "items[0][price]": "price_sandbox_basic"}
    )
    person.hear_from_stripe()

    (theirs,) = stripe.all("/v1/subscriptions", customer=stranger)
    assert theirs["pause_collection"] is None
    assert not WebhookEvent.objects.filter(state="pending").exists()
    assert Subscription.objects.count() == 1

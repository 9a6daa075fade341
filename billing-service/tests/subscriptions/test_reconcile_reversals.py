"""The comparison with Stripe finds refunds and disputes of which no event arrived."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.models import Dispute, Refund, Subscription
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from tests.subscriptions.test_reconcile import reconcile
from tests.subscriptions.test_refunds_and_disputes import DISPUTED, decide, entitlements, subscribed


@pytest.fixture
def disputed(person: Person, stripe: Sandbox) -> Person:
    """A subscriber whose bank has claimed the payment back, which no event said."""
    assert person.subscribe(DISPUTED).status_code == 200
    stripe.forget_events()
    assert not Dispute.objects.exists()
    return person


def test_a_dispute_of_which_no_event_arrived_is_reported_and_fixed(disputed: Person) -> None:
    """Access ends and collection pauses, as the event would have done."""
    code, report = reconcile()
    assert entitlements(disputed) == ["basic_subscription"]
    fixed, _ = reconcile("--fix")
    again, rest = reconcile()

    (found,) = report["drift"]
    assert (code, found["what"], found["stripes"]) == (2, "dispute unknown here", "needs_response")
    assert (fixed, again, rest["drift"]) == (0, 0, [])
    assert entitlements(disputed) == []
    (subscription,) = disputed.stripe.subscriptions_of(disputed.id)
    assert subscription["pause_collection"]["behavior"] == "void"


def test_a_refund_of_which_no_event_arrived_is_reported_and_fixed(
    person: Person, stripe: Sandbox
) -> None:
    """Staff see it on the timeline; the user keeps what was paid for."""
    subscribed(person, "4242424242424242")
    (charge,) = stripe.charges_of(person.id)
    stripe.post("/v1/refunds", charge=charge["id"], amount=300)
    stripe.forget_events()

    code, report = reconcile()
    fixed, _ = reconcile("--fix")

    assert [each["what"] for each in report["drift"]] == ["refund unknown here"]
    assert (code, fixed, Refund.objects.get().amount) == (2, 0, 300)
    assert person.words() == ("successful", "active")


@pytest.mark.parametrize("days", [1, 200])
def test_a_dispute_that_was_lost_unheard_ends_the_subscription(
    person: Person, stripe: Sandbox, days: int
) -> None:
    """However old it is. It counts as a loss, which is not written for many at once."""
    subscribed(person, DISPUTED)
    Dispute.objects.update(created_at=timezone.now() - timedelta(days=days))
    (charge,) = stripe.charges_of(person.id)
    (dispute,) = stripe.all("/v1/disputes", charge=charge["id"])
    stripe.post(
        f"/v1/disputes/{dispute['id']}", **{"evidence[uncategorized_text]": "losing_evidence"}
    )
    stripe.forget_events()

    _, report = reconcile()
    fixed, _ = reconcile("--fix", "--accept-losses", "1")

    (found,) = [each for each in report["drift"] if each["what"] == "dispute stripe_status"]
    assert (found["ours"], found["stripes"], found["loss"]) == ("needs_response", "lost", True)
    assert fixed == 0
    assert person.words() == ("canceled", "canceled")
    assert Dispute.objects.get().stripe_status == "lost"


def test_what_is_the_same_on_both_sides_is_no_difference(person: Person) -> None:
    """Night after night, with a dispute that is over."""
    subscribed(person, DISPUTED)
    decide(person, "winning_evidence")

    assert reconcile() == (0, {"customers_compared": 1, "fixed": False, "drift": []})


def test_charges_of_other_products_in_the_account_do_not_count(
    person: Person, stripe: Sandbox
) -> None:
    """A refund to a customer of another application is theirs."""
    subscribed(person, "4242424242424242")
    other = stripe.post("/v1/customers")["id"]
    card = stripe.post("/v1/payment_methods/pm_card_visa/attach", customer=other)["id"]
    intent = stripe.post(
        "/v1/payment_intents",
        customer=other,
        amount=500,
        currency="usd",
        payment_method=card,
        confirm="true",
        **{"payment_method_types[0]": "card"},
    )
    stripe.post("/v1/refunds", payment_intent=intent["id"])

    assert reconcile()[1]["drift"] == []
    assert Subscription.objects.count() == 1

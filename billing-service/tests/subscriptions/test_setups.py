"""Cards set up for later payments: whatever Stripe reports late or twice, the newest pays."""

from typing import Any

import pytest

from subscriptions.models import Customer, PaymentMethod
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import FAILS_WHEN_CHARGED, NEEDS_AUTHENTICATION, Person, card
from webhooks.models import WebhookEvent


@pytest.fixture
def subscriber(person: Person) -> Person:
    """Somebody who pays with a Visa card."""
    assert person.subscribe().status_code == 200
    person.hear_from_stripe()
    return person


def _default_last4(person: Person) -> str:
    (customer,) = person.stripe.customers_of(person.id)
    (subscription,) = person.stripe.subscriptions_of(person.id)
    row = PaymentMethod.objects.get(customer__user_id=person.id, is_default=True)
    at_stripe = {customer["invoice_settings"]["default_payment_method"]}
    assert at_stripe == {subscription["default_payment_method"], row.stripe_payment_method_id}
    return row.last4


def _choose(person: Person, payment_method: str) -> None:
    answer = person.post("payment-method", {"payment_method": payment_method})
    assert answer.json()["status"] == "succeeded", answer.content


def test_a_setup_completed_late_does_not_undo_a_newer_choice(subscriber: Person) -> None:
    """The owner comes back to an old page of the bank; the card chosen since goes on paying."""
    first = subscriber.post("payment-method", card(NEEDS_AUTHENTICATION)).json()
    _choose(subscriber, "pm_card_mastercard")

    subscriber.stripe.authenticate(first["setup_intent"])
    subscriber.hear_from_stripe()

    assert _default_last4(subscriber) == "4444"


def test_a_setup_reported_again_does_not_undo_a_newer_choice(
    subscriber: Person, stripe: Sandbox
) -> None:
    """Events can be replayed years later; a default chosen in the portal meanwhile stays."""
    _choose(subscriber, "pm_card_mastercard")
    reported = stripe.new_events()
    for event in reported:
        deliver(event)
    process_events()
    (customer,) = stripe.customers_of(subscriber.id)
    chosen = stripe.post("/v1/payment_methods/pm_card_visa/attach", customer=customer["id"])
    (subscription,) = stripe.subscriptions_of(subscriber.id)
    path = f"/v1/customers/{customer['id']}"
    stripe.post(path, **{"invoice_settings[default_payment_method]": chosen["id"]})
    stripe.post(f"/v1/subscriptions/{subscription['id']}", default_payment_method=chosen["id"])

    _deliver_again(reported)

    assert _default_last4(subscriber) == "4242"


def test_a_setup_whose_card_is_gone_does_not_hold_up_the_rest(
    subscriber: Person, stripe: Sandbox
) -> None:
    """The customer's other events in the same job are handled, and the old card goes on paying."""
    setup = subscriber.post("payment-method", card(NEEDS_AUTHENTICATION)).json()
    stripe.authenticate(setup["setup_intent"])
    (row,) = PaymentMethod.objects.filter(customer__user_id=subscriber.id)
    (customer,) = stripe.customers_of(subscriber.id)
    for each in stripe.all(f"/v1/customers/{customer['id']}/payment_methods"):
        if each["id"] != row.stripe_payment_method_id:
            stripe.post(f"/v1/payment_methods/{each['id']}/detach")

    subscriber.hear_from_stripe()

    assert not WebhookEvent.objects.filter(state="pending").exists()
    assert _default_last4(subscriber) == "4242"


def test_a_customer_deleted_at_stripe_gets_a_new_one(person: Person, stripe: Sandbox) -> None:
    """Though no webhook reported it, each way to a card or a page works at once."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("setup-intent", {}),
        ("payment-method", {"payment_method": "pm_card_visa"}),
        ("checkout-session", {"subscription_product": "basic_subscription"}),
    ]
    assert person.post("setup-intent").status_code == 200
    for path, body in calls:
        (customer,) = stripe.customers_of(person.id)
        stripe.delete(f"/v1/customers/{customer['id']}")

        answer = person.post(path, body)

        assert answer.status_code == 200, (path, answer.content)
    (customer,) = stripe.customers_of(person.id)
    stripe.delete(f"/v1/customers/{customer['id']}")
    assert person.post("portal-session").json()["code"] == "no_subscription"
    assert not Customer.objects.filter(user_id=person.id, deleted_at=None).exists()


def test_a_refused_try_leaves_the_cards_one_had(person: Person, stripe: Sandbox) -> None:
    """A card that was collected before stays, even if this payment failed."""
    assert person.post("payment-method", card(FAILS_WHEN_CHARGED)).json()["status"] == "succeeded"
    (known,) = PaymentMethod.objects.all()

    answer = person.post(
        "subscribe",
        {
            "subscription_product": "basic_subscription",
            "payment_method": known.stripe_payment_method_id,
        },
    )

    assert answer.json()["code"] == "card_declined"
    (customer,) = stripe.customers_of(person.id)
    attached = stripe.all(f"/v1/customers/{customer['id']}/payment_methods")
    assert [each["id"] for each in attached] == [known.stripe_payment_method_id]


def test_no_user_pays_with_the_card_of_another(subscriber: Person, stripe: Sandbox) -> None:
    """Knowing the id of another customer's payment method is of no use."""
    stolen = PaymentMethod.objects.get().stripe_payment_method_id
    thief = Person(stripe)
    card = {"payment_method": stolen}
    calls = {
        "subscribe": {"subscription_product": "basic_subscription"} | card,
        "payment-method": card,
    }

    for path, body in calls.items():
        for _ in ("a new customer", "a known customer"):
            answer = thief.post(path, body)
            assert (answer.status_code, answer.json()["code"]) == (400, "payment_method_refused")

    assert stripe.charges_of(thief.id) == []


def _deliver_again(events: list[dict[str, Any]]) -> None:
    """Deliver as `webhooks replay` would: the inbox has forgotten that it knew them."""
    WebhookEvent.objects.all().delete()
    for event in events:
        assert deliver(event).status_code == 200
    process_events()

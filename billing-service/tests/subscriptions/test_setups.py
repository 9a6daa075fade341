"""Cards set up for later payments: whatever Stripe reports late or twice, the newest pays."""

from datetime import UTC, datetime
from typing import Any

import pytest

from subscriptions.models import Customer, PaymentMethod
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import FAILS_WHEN_CHARGED, NEEDS_AUTHENTICATION, Person, card
from tests.subscriptions.renewals import Renewals
from webhooks.models import WebhookEvent


@pytest.fixture
def subscriber(person: Person) -> Person:
    """Someone who pays with a Visa card."""
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


def test_a_setup_completed_late_does_not_undo_a_choice_made_in_the_portal(
    subscriber: Person, stripe: Sandbox
) -> None:
    """The card that was chosen while the bank's page was open goes on paying."""
    setup = subscriber.post("payment-method", card(NEEDS_AUTHENTICATION)).json()
    (customer,) = stripe.customers_of(subscriber.id)
    path = "/v1/payment_methods/pm_card_mastercard/attach"
    chosen = stripe.post(path, customer=customer["id"])
    (subscription,) = stripe.subscriptions_of(subscriber.id)
    path = f"/v1/customers/{customer['id']}"
    stripe.post(path, **{"invoice_settings[default_payment_method]": chosen["id"]})
    stripe.post(f"/v1/subscriptions/{subscription['id']}", default_payment_method=chosen["id"])

    stripe.authenticate(setup["setup_intent"])
    subscriber.hear_from_stripe()

    assert _default_last4(subscriber) == "4444"


def test_of_two_setups_begun_at_once_the_later_pays(subscriber: Person, stripe: Sandbox) -> None:
    """The first one that is completed is no reason to ignore the second."""
    first = subscriber.post("payment-method", card(NEEDS_AUTHENTICATION)).json()
    second = subscriber.post("payment-method", card(NEEDS_AUTHENTICATION)).json()
    for setup in (first, second):
        stripe.authenticate(setup["setup_intent"])
        subscriber.hear_from_stripe()

    (customer,) = stripe.customers_of(subscriber.id)
    completed = stripe.get(f"/v1/setup_intents/{second['setup_intent']}")
    default = customer["invoice_settings"]["default_payment_method"]
    assert default == completed["payment_method"]


@pytest.mark.parametrize("is_known", [False, True])
def test_a_card_that_cannot_pay_what_is_overdue_is_not_used(
    person: Person, *, is_known: bool
) -> None:
    """The answer is a refusal, so the card that paid so far stays; no event changes that."""
    renewals = Renewals(person, datetime(2026, 11, 4, tzinfo=UTC))
    before = renewals.pay_with("pm_card_chargeCustomerFail")
    renewals.advance(datetime(2026, 12, 6, tzinfo=UTC))
    path = "/v1/payment_methods/pm_card_chargeCustomerFail/attach"
    known = person.stripe.post(path, customer=renewals.customer)["id"]
    person.hear_from_stripe()
    assert person.status()["payment_gateway_status"] == "past_due"

    refused = {"payment_method": known} if is_known else card(FAILS_WHEN_CHARGED)
    answer = person.post("payment-method", refused)
    attempts = person.stripe.all("/v1/charges", customer=renewals.customer)
    person.hear_from_stripe()

    assert (answer.status_code, answer.json()["code"]) == (400, "card_declined")
    assert person.stripe.all("/v1/charges", customer=renewals.customer) == attempts
    (customer,) = person.stripe.customers_of(person.id)
    assert customer["invoice_settings"]["default_payment_method"] == before
    assert renewals.change()["default_payment_method"] is None
    assert PaymentMethod.objects.get(is_default=True).stripe_payment_method_id == before
    assert PaymentMethod.objects.filter(detached_at=None).count() == 3


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

"""A product with a price of 0 needs no card."""

import pytest

from subscriptions.catalogue import products
from subscriptions.models import Customer, PaymentMethod, SubscriptionProduct
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person, card
from tests.subscriptions.test_reconcile import reconcile

FREE = {"subscription_product": "free_subscription"}


@pytest.fixture(autouse=True)
def _free_product(stripe: Sandbox) -> None:
    price = stripe.post(
        "/v1/prices",
        **{
            "currency": "usd",
            "unit_amount": 0,
            "recurring[interval]": "month",
            "product_data[name]": "Free",
        },
    )
    product = SubscriptionProduct.objects.create(
        name="free_subscription", price_reference=price["id"], on_sale=True
    )
    assert products.mirror_price(product)
    # What making it said is no news of the users of these tests.
    stripe.forget_events()


def test_a_free_product_is_subscribed_to_without_a_card(person: Person, stripe: Sandbox) -> None:
    """It is active at once, nothing is charged, and webhooks and the comparison agree."""
    answer = person.post("subscribe", FREE)
    person.hear_from_stripe()

    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], answer.json()["next_action"]) == ("successful", None)
    assert person.words() == ("successful", "active")
    assert person.get("entitlements").json()["products"] == ["free_subscription"]
    assert stripe.charges_of(person.id) == []
    assert not PaymentMethod.objects.exists()
    assert reconcile()[1]["drift"] == []


def test_a_request_that_is_sent_again_subscribes_once(person: Person, stripe: Sandbox) -> None:
    """A lost answer, a double click: one subscription at Stripe."""
    key = {"Idempotency-Key": "a click"}
    first, second = person.post("subscribe", FREE, **key), person.post("subscribe", FREE, **key)

    assert (first.status_code, second.status_code) == (200, 200)
    assert len(stripe.subscriptions_of(person.id)) == 1
    assert person.post("subscribe", FREE).json()["code"] == "already_subscribed"


def test_an_outage_in_between_is_finished_by_the_same_call(person: Person, stripe: Sandbox) -> None:
    """As for a product that is paid."""
    with stripe.fault(effect="error", status=503, path="/v1/subscriptions", method="POST"):
        assert person.post("subscribe", FREE).status_code == 503
    again = person.post("subscribe", FREE)

    assert (again.status_code, again.json()["status"]) == (200, "successful")
    assert len(stripe.subscriptions_of(person.id)) == 1


def test_a_card_may_be_given_anyway(person: Person) -> None:
    """For the change to a paid product later."""
    assert person.post("subscribe", FREE | card()).status_code == 200
    assert PaymentMethod.objects.filter(detached_at=None).count() == 1

    changed = person.post("change", {"subscription_product": "basic_subscription"})

    assert changed.status_code == 200
    assert person.words() == ("successful", "active")


def test_a_change_from_free_to_paid_needs_a_card_first(person: Person) -> None:
    """The refusal says so and changes nothing; with a card the change goes through."""
    assert person.post("subscribe", FREE).status_code == 200

    without = person.post("change", {"subscription_product": "basic_subscription"})
    still = person.status()["price_reference"]
    assert person.post("payment-method", card()).status_code == 200
    with_card = person.post("change", {"subscription_product": "basic_subscription"})

    assert (without.status_code, without.json()["code"]) == (409, "payment_method_required")
    assert still == SubscriptionProduct.objects.get(name="free_subscription").price_reference
    assert with_card.status_code == 200
    assert person.status()["price_reference"] == "price_sandbox_basic"


@pytest.mark.parametrize("amount", [1000, None])
def test_what_is_not_free_still_asks_for_a_card(person: Person, amount: int | None) -> None:
    """Also where Stripe has not said the price yet. No customer is made for it."""
    SubscriptionProduct.objects.filter(name="basic_subscription").update(
        unit_amount=amount, unit_amount_decimal=amount
    )

    answer = person.post("subscribe", {"subscription_product": "basic_subscription"})

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert answer.json()["errors"]["card_number"] == ["This field is required."]
    assert not Customer.objects.exists()

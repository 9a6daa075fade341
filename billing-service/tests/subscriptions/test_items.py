"""Subscriptions of several items: what the plan is, what the user may use, what a change moves."""

from typing import Any

import pytest

from subscriptions.sync.writer import refresh_customer
from tests.subscriptions.person import Person

PRO = {"subscription_product": "pro_subscription"}


@pytest.fixture
def seats(person: Person) -> Person:
    """Someone to whom staff sold two of another product's item, then three seats of basic."""
    assert person.post("setup-intent").status_code == 200
    (customer,) = person.stripe.customers_of(person.id)
    path = "/v1/payment_methods/pm_card_visa/attach"
    card = person.stripe.post(path, customer=customer["id"])
    person.stripe.post(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "default_payment_method": card["id"],
            "items[0][price]": price(person, unit_amount=300),
            "items[0][quantity]": 2,
            "items[1][price]": "price_sandbox_basic",
            "items[1][quantity]": 3,
        },
    )
    person.hear_from_stripe()
    return person


def price(person: Person, **terms: Any) -> str:
    """Make a price at Stripe of a product that we know nothing of."""
    made = person.stripe.post(
        "/v1/prices",
        **{
            "currency": "usd",
            "recurring[interval]": "month",
            "product_data[name]": "Another product",
            **terms,
        },
    )
    return str(made["id"])


def items_of(person: Person) -> list[tuple[str, int]]:
    """Return the price and quantity of each item at Stripe."""
    (subscription,) = person.stripe.subscriptions_of(person.id)
    return [(each["price"]["id"], each["quantity"]) for each in subscription["items"]["data"]]


def test_an_item_of_another_product_hides_nothing(seats: Person) -> None:
    """The status names the plan, wherever it stands in the list."""
    body = seats.status()

    assert (body["status"], body["price_reference"]) == ("successful", "price_sandbox_basic")
    assert seats.get("entitlements").json()["products"] == ["basic_subscription"]


def test_a_change_moves_the_plan_and_leaves_the_rest(seats: Person) -> None:
    """Three seats stay three, and the other product's item is not touched."""
    [other, _] = items_of(seats)

    preview = seats.post("change/preview", PRO).json()
    answer = seats.post("change", PRO)

    assert answer.status_code == 200, answer.content
    assert answer.json()["price_reference"] == "price_sandbox_pro"
    assert items_of(seats) == [other, ("price_sandbox_pro", 3)]
    assert preview["next_invoice"]["amount"] == 3 * 2500 + 2 * 300


def test_a_change_that_waits_shows_what_it_changes_to(seats: Person) -> None:
    """A bank's page completes it, and the other item is none of what waits."""
    (customer,) = seats.stripe.customers_of(seats.id)
    (subscription,) = seats.stripe.subscriptions_of(seats.id)
    path = "/v1/payment_methods/pm_card_authenticationRequired/attach"
    card = seats.stripe.post(path, customer=customer["id"])
    path = f"/v1/subscriptions/{subscription['id']}"
    seats.stripe.post(path, default_payment_method=card["id"])
    refresh_customer(customer["id"], cause="test")

    body = seats.post("change", PRO).json()

    assert body["price_reference"] == "price_sandbox_basic"
    assert body["next_action"]["type"] == "authenticate"
    secret = body["next_action"]["client_secret"]
    seats.stripe.authenticate(secret.partition("_secret")[0])
    seats.hear_from_stripe()
    assert seats.status()["price_reference"] == "price_sandbox_pro"
    assert items_of(seats)[1] == ("price_sandbox_pro", 3)

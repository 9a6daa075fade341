"""Subscriptions of several items: what the plan is, what the user may use, what a change moves."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from subscriptions.models import Subscription, SubscriptionItem, SubscriptionProduct
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


@pytest.fixture
def with_storage(seats: Person) -> Person:
    """The same, and the other item is ours: staff sell it beside a plan alone."""
    [(other, _), _] = items_of(seats)
    SubscriptionProduct.objects.create(name="storage", price_reference=other, on_sale=False)
    (customer,) = seats.stripe.customers_of(seats.id)
    refresh_customer(customer["id"], cause="test")
    return seats


def test_a_user_may_use_what_every_item_of_ours_stands_for(with_storage: Person) -> None:
    """The plan, and what was bought beside it."""
    assert with_storage.get("entitlements").json()["products"] == ["basic_subscription", "storage"]
    assert with_storage.status()["price_reference"] == "price_sandbox_basic"


def test_a_change_keeps_what_was_bought_beside_the_plan(with_storage: Person) -> None:
    """The item that is the plan moves; the other one is still there, twice."""
    [storage, _] = items_of(with_storage)

    assert with_storage.post("change", PRO).status_code == 200

    assert items_of(with_storage) == [storage, ("price_sandbox_pro", 3)]
    assert with_storage.get("entitlements").json()["products"] == ["pro_subscription", "storage"]


def test_an_item_that_is_removed_at_stripe_is_taken_from_the_user(with_storage: Person) -> None:
    """What is bought beside a plan can be cancelled by itself."""
    assert "storage" in with_storage.get("entitlements").json()["products"]
    (subscription,) = with_storage.stripe.subscriptions_of(with_storage.id)
    storage = subscription["items"]["data"][0]["id"]
    with_storage.stripe.delete(f"/v1/subscription_items/{storage}")
    with_storage.hear_from_stripe()

    assert with_storage.get("entitlements").json()["products"] == ["basic_subscription"]
    assert with_storage.words() == ("successful", "active")


def test_a_quantity_that_no_event_reported_is_found_and_repaired(
    seats: Person, staff_client: Client
) -> None:
    """The comparison names the item, and the timeline shows how many there were and are."""
    (subscription,) = seats.stripe.subscriptions_of(seats.id)
    item = subscription["items"]["data"][1]["id"]
    seats.stripe.post(f"/v1/subscription_items/{item}", quantity=7)

    found = StringIO()
    with pytest.raises(SystemExit):
        call_command("stripe_reconcile", "--dry-run", stdout=found, stderr=StringIO())
    assert f"quantity of item {item}" in found.getvalue()
    call_command("stripe_reconcile", "--fix", stdout=StringIO(), stderr=StringIO())
    call_command("stripe_reconcile", "--dry-run", stdout=StringIO(), stderr=StringIO())

    timeline = staff_client.get(f"/admin/timeline/{seats.id}/").content.decode()
    assert "3 x price_sandbox_basic → " in timeline
    assert "7 x price_sandbox_basic" in timeline


def test_a_row_without_items_gives_access_and_gets_them_at_the_next_look(seats: Person) -> None:
    """As a process of the version before writes it while both run."""
    SubscriptionItem.objects.all().delete()
    assert seats.get("entitlements").json()["products"] == ["basic_subscription"]

    (customer,) = seats.stripe.customers_of(seats.id)
    refresh_customer(customer["id"], cause="test")

    rows = SubscriptionItem.objects.values_list("price_reference", "quantity")
    assert list(rows) == items_of(seats)


def test_a_row_that_named_the_wrong_item_is_put_right(seats: Person) -> None:
    """The version before took the first item for the plan, and the subscription for another's."""
    [(other, _), _] = items_of(seats)
    (customer,) = seats.stripe.customers_of(seats.id)
    first = SubscriptionItem.objects.get(price_reference=other).stripe_item_id
    Subscription.objects.update(
        stripe_item_id=first, price_reference=other, product=None, is_ours=False, is_current=False
    )
    SubscriptionItem.objects.all().delete()

    refresh_customer(customer["id"], cause="test")

    assert seats.words() == ("successful", "active")
    assert seats.status()["price_reference"] == "price_sandbox_basic"
    assert seats.get("entitlements").json()["products"] == ["basic_subscription"]


def test_staff_see_every_item_with_its_price(seats: Person, staff_client: Client) -> None:
    """How many of what, for how much."""
    row = Subscription.objects.get()

    page = staff_client.get(f"/admin/subscriptions/subscription/{row.pk}/change/").content.decode()

    for shown in ("3.00 USD per month", "10.00 USD per month", "price_sandbox_basic"):
        assert shown in page


def test_a_newer_subscription_that_is_not_paid_hides_no_older_one_that_is(person: Person) -> None:
    """Someone at Stripe's dashboard adds one whose first payment fails."""
    assert person.subscribe().status_code == 200
    (paid,) = person.stripe.subscriptions_of(person.id)
    path = "/v1/payment_methods/pm_card_chargeCustomerFail/attach"
    card = person.stripe.post(path, customer=paid["customer"])
    person.stripe.post(
        "/v1/subscriptions",
        **{
            "customer": paid["customer"],
            "items[0][price]": "price_sandbox_pro",
            "default_payment_method": card["id"],
        },
    )
    person.hear_from_stripe()

    assert person.status()["id_reference"] == paid["id"]
    assert person.words() == ("successful", "active")


def test_a_price_of_half_a_cent_is_shown_right(person: Person, staff_client: Client) -> None:
    """Stripe allows fractions of the smallest unit."""
    half = price(person, unit_amount_decimal="0.5")
    product = SubscriptionProduct.objects.create(name="unit", price_reference=half)
    call_command("seed_products", stdout=StringIO())
    page = f"/admin/subscriptions/subscriptionproduct/{product.pk}/change/"
    staff_client.post(page, {"name": "unit", "price_reference": half, "on_sale": "on"})

    shown = {each["name"]: each for each in person.get("products").json()}

    assert shown["unit"]["unit_amount"] is None
    assert shown["unit"]["unit_amount_decimal"] == "0.5"
    assert shown["basic_subscription"]["unit_amount_decimal"] == "1000"
    assert "0.005 USD per month" in staff_client.get(page).content.decode()

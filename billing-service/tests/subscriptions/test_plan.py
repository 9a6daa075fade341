"""Ending, keeping and changing a subscription, and paying it with another card."""

from datetime import datetime
from typing import Any

import pytest
from django.conf import settings

from subscriptions.catalogue.products import mirror_price
from subscriptions.models import (
    Customer,
    PaymentMethod,
    Subscription,
    SubscriptionChange,
    SubscriptionProduct,
)
from subscriptions.sync.writer import refresh_customer
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, NEEDS_AUTHENTICATION, Person, card

PRO = {"subscription_product": "pro_subscription"}
BASIC = {"subscription_product": "basic_subscription"}


@pytest.fixture
def subscriber(person: Person) -> Person:
    """Someone with the basic product."""
    assert person.subscribe().status_code == 200
    return person


def test_a_cancellation_keeps_access_until_the_period_ends(subscriber: Person) -> None:
    """By default nothing that was paid for is lost, and it can be taken back."""
    body = subscriber.post("cancel").json()

    assert (body["status"], body["cancel_at_period_end"]) == ("successful", True)
    assert body["access_until"] == body["current_period_end"]
    resumed = subscriber.post("resume").json()
    assert resumed["cancel_at_period_end"] is False
    assert subscriber.post("resume").json()["code"] == "wrong_state"


def test_a_cancellation_can_be_immediate(subscriber: Person) -> None:
    """It ends now, and the user may subscribe again."""
    body = subscriber.post("cancel", {"at_period_end": False}).json()

    assert (body["status"], body["payment_gateway_status"]) == ("canceled", "canceled")
    assert subscriber.post("cancel").status_code == 409
    assert subscriber.post("resume").status_code == 409
    assert subscriber.subscribe().status_code == 200
    assert subscriber.words() == ("successful", "active")


def test_a_user_without_a_subscription_can_change_nothing(person: Person) -> None:
    """The answer is 404, whatever is asked for."""
    calls = [("cancel", None), ("resume", None), ("change", PRO), ("change/preview", PRO)]
    for path, body in calls:
        answer = person.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_subscription"), path
    assert person.post("portal-session").status_code == 404
    assert person.get("status").json()["code"] == "no_subscription"
    assert person.get("invoices").json() == {"results": [], "next": None}


def test_the_more_expensive_product_is_charged_at_once(subscriber: Person) -> None:
    """The preview tells the difference, the change collects it."""
    preview = subscriber.post("change/preview", PRO).json()
    body = subscriber.post("change", PRO).json()

    assert 0 < preview["due_now"]["amount"] <= 1500
    assert preview["next_invoice"] == {"amount": 2500, "currency": "usd"}
    assert preview["lines"]
    assert body["price_reference"] == "price_sandbox_pro"
    charges = subscriber.stripe.charges_of(subscriber.id)
    assert [charge["amount"] for charge in charges] == [preview["due_now"]["amount"], 1000]


def _pays_with(person: Person, payment_method: str) -> None:
    """Let the subscription be paid with another card, as if chosen in the dashboard."""
    (customer,) = person.stripe.customers_of(person.id)
    (subscription,) = person.stripe.subscriptions_of(person.id)
    path = f"/v1/payment_methods/{payment_method}/attach"
    attached = person.stripe.post(path, customer=customer["id"])
    path = f"/v1/subscriptions/{subscription['id']}"
    person.stripe.post(path, default_payment_method=attached["id"])
    refresh_customer(customer["id"], cause="test")


def test_a_change_waits_for_the_cards_owner(subscriber: Person) -> None:
    """The old product goes on until the bank's page is completed, then no further call is needed.

    Asking again meanwhile starts the payment again and bills once.
    """
    _pays_with(subscriber, "pm_card_authenticationRequired")
    first = subscriber.post("change", PRO)
    body = subscriber.post("change", PRO).json()

    assert first.status_code == 200
    assert (body["status"], body["price_reference"]) == ("successful", "price_sandbox_basic")
    assert body["next_action"]["type"] == "authenticate"
    again = subscriber.get("next-action").json()["next_action"]
    assert body["next_action"] == again != first.json()["next_action"]
    secret = body["next_action"]["client_secret"]

    subscriber.stripe.authenticate(secret.partition("_secret")[0])
    subscriber.hear_from_stripe()

    body = subscriber.status()
    assert (body["price_reference"], body["next_action"]) == ("price_sandbox_pro", None)
    assert len(subscriber.stripe.charges_of(subscriber.id)) == 2
    assert _open_invoices(subscriber) == []


def test_a_change_that_is_not_paid_changes_nothing(subscriber: Person) -> None:
    """The bank says no: no product changes, no invoice stays open, and the card is counted."""
    _pays_with(subscriber, "pm_card_chargeCustomerFail")
    for _ in range(settings.BILLING.card_failures_per_user):
        answer = subscriber.post("change", PRO)
        assert (answer.status_code, answer.json()["code"]) == (400, "card_declined")

    assert subscriber.post("change", PRO).json()["code"] == "too_many_card_failures"
    body = subscriber.status()
    assert (body["price_reference"], body["next_action"]) == ("price_sandbox_basic", None)
    (subscription,) = subscriber.stripe.subscriptions_of(subscriber.id)
    assert subscription["pending_update"] is None
    assert _open_invoices(subscriber) == []


def _open_invoices(person: Person) -> list[dict[str, Any]]:
    (customer,) = person.stripe.customers_of(person.id)
    return person.stripe.all("/v1/invoices", customer=customer["id"], status="open")


def test_a_long_product_name_is_no_reason_to_fail(subscriber: Person) -> None:
    """The change is paid for by then; the timeline shows as much of the name as it has room for."""
    name = "p" * 64
    SubscriptionProduct.objects.filter(name="pro_subscription").update(name=name)

    answer = subscriber.post("change", {"subscription_product": name})

    assert (answer.status_code, answer.json()["price_reference"]) == (200, "price_sandbox_pro")


def test_a_cancellation_whose_answer_was_lost_is_a_success(
    subscriber: Person, stripe: Sandbox
) -> None:
    """Stripe refuses the repeated call, since it has done what was asked for."""
    with stripe.fault(
        effect="reset", when="after", times=1, method="DELETE", path="/v1/subscriptions/*"
    ):
        answer = subscriber.post("cancel", {"at_period_end": False})

    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


def test_the_cheaper_product_leaves_a_credit(person: Person) -> None:
    """Nothing is charged or paid back now; the next invoice is lower."""
    person.subscribe(product="pro_subscription")

    preview = person.post("change/preview", BASIC).json()
    body = person.post("change", BASIC).json()

    assert preview["due_now"]["amount"] == 0
    assert preview["next_invoice"]["amount"] < 1000
    assert body["price_reference"] == "price_sandbox_basic"
    assert len(person.stripe.charges_of(person.id)) == 1


def test_a_change_between_intervals_costs_what_the_preview_says(person: Person) -> None:
    """From a month to a year: the amounts do not say what is due, Stripe does."""
    yearly = person.stripe.post(
        "/v1/prices",
        **{
            "product": "prod_sandbox_pro",
            "currency": "usd",
            "unit_amount": 900,
            "recurring[interval]": "year",
        },
    )
    SubscriptionProduct.objects.create(name="yearly", price_reference=yearly["id"])
    assert person.subscribe().status_code == 200
    (first,) = person.stripe.charges_of(person.id)

    preview = person.post("change/preview", {"subscription_product": "yearly"}).json()
    assert person.post("change", {"subscription_product": "yearly"}).status_code == 200

    charged = [each for each in person.stripe.charges_of(person.id) if each["id"] != first["id"]]
    assert sum(each["amount"] for each in charged) == preview["due_now"]["amount"]
    (subscription,) = person.stripe.subscriptions_of(person.id)
    renewal = subscription["items"]["data"][0]["current_period_end"]
    assert _seconds(preview["next_invoice_at"]) == renewal


def test_a_preview_counts_the_quantity(subscriber: Person) -> None:
    """Staff sold three seats: the difference is three times that of one."""
    (subscription,) = subscriber.stripe.subscriptions_of(subscriber.id)
    item = subscription["items"]["data"][0]["id"]
    path = f"/v1/subscriptions/{subscription['id']}"
    one = subscriber.post("change/preview", PRO).json()["due_now"]["amount"]
    subscriber.stripe.post(path, **{"items[0][id]": item, "items[0][quantity]": 3})

    three = subscriber.post("change/preview", PRO).json()

    assert three["due_now"]["amount"] == pytest.approx(3 * one + 2000, abs=30)
    assert three["next_invoice"]["amount"] >= 7500


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp())


def test_the_same_product_is_no_change(subscriber: Person) -> None:
    """The refusal says so."""
    assert subscriber.post("change", BASIC).json()["code"] == "wrong_state"
    assert subscriber.post("change", {"subscription_product": "gold"}).status_code == 400


def test_another_card_pays_from_now_on(subscriber: Person) -> None:
    """The new card is the default at Stripe and here; its last digits show it."""
    body = subscriber.post("payment-method", {"payment_method": "pm_card_mastercard"}).json()

    assert body["status"] == "succeeded"
    (customer,) = subscriber.stripe.customers_of(subscriber.id)
    default = customer["invoice_settings"]["default_payment_method"]
    row = PaymentMethod.objects.get(is_default=True)
    assert (row.stripe_payment_method_id, row.last4) == (default, "4444")
    (subscription,) = subscriber.stripe.subscriptions_of(subscriber.id)
    assert subscription["default_payment_method"] == default


def test_a_card_that_requires_authentication_pays_once_that_is_done(subscriber: Person) -> None:
    """The change completes by webhook, without a further call."""
    before = PaymentMethod.objects.get(is_default=True)
    body = subscriber.post("payment-method", card(NEEDS_AUTHENTICATION)).json()

    assert body["status"] == "requires_action"
    assert body["publishable_key"] == "pk_test_sandbox"
    assert PaymentMethod.objects.get(is_default=True) == before

    subscriber.stripe.authenticate(body["setup_intent"])
    subscriber.hear_from_stripe()

    assert PaymentMethod.objects.get(is_default=True).last4 == "3155"


def test_a_refused_card_changes_nothing(subscriber: Person) -> None:
    """The old card goes on paying."""
    before = PaymentMethod.objects.get(is_default=True)

    answer = subscriber.post("payment-method", card(DECLINED))

    assert (answer.status_code, answer.json()["code"]) == (400, "card_declined")
    assert PaymentMethod.objects.get(is_default=True) == before


def test_a_browser_can_collect_a_card_before_there_is_a_subscription(person: Person) -> None:
    """The setup intent brings its own customer; asking twice makes one customer."""
    first = person.post("setup-intent").json()
    second = person.post("setup-intent").json()

    assert first["client_secret"].startswith(first["setup_intent"])
    assert first["setup_intent"] != second["setup_intent"]
    assert len(person.stripe.customers_of(person.id)) == 1
    assert person.subscribe().status_code == 200
    assert len(person.stripe.customers_of(person.id)) == 1


def test_invoices_come_in_pages_with_links(subscriber: Person) -> None:
    """Newest first; the cursor of one page opens the next."""
    subscriber.post("change", PRO)

    first = subscriber.get("invoices?limit=1").json()
    second = subscriber.get(f"invoices?limit=1&after={first['next']}").json()

    assert len(first["results"]) == len(second["results"]) == 1
    assert second["next"] is None
    assert second["results"][0]["amount_paid"] == 1000
    assert second["results"][0]["hosted_invoice_url"]
    assert subscriber.get("invoices?limit=0").status_code == 400


def test_no_user_reads_the_invoices_of_another(subscriber: Person, stripe: Sandbox) -> None:
    """A cursor of another customer's invoice leads nowhere."""
    subscriber.post("change", PRO)
    cursor = subscriber.get("invoices?limit=1").json()["next"]
    other = Person(stripe)
    other.subscribe()

    stolen = other.get(f"invoices?after={cursor}").json()["results"]

    ours = {each["id_reference"] for each in subscriber.get("invoices").json()["results"]}
    assert not ours & {each["id_reference"] for each in stolen}


def test_stripes_own_pages_are_opened_for_the_right_customer(subscriber: Person) -> None:
    """Checkout is for those without a subscription, the portal for customers."""
    refused = subscriber.post("checkout-session", BASIC)
    portal = subscriber.post("portal-session", {"return_path": "/account"})

    assert refused.json()["code"] == "already_subscribed"
    assert portal.json()["url"].startswith("http")
    newcomer = Person(subscriber.stripe)
    assert newcomer.post("checkout-session", BASIC).json()["url"].startswith("http")


@pytest.mark.parametrize("path", ["//evil.test/", "https://evil.test/", "/\\evil.test", "account"])
def test_hosted_pages_lead_back_to_us_alone(subscriber: Person, path: str) -> None:
    """A link made by us must not send a user to a stranger's page."""
    assert subscriber.post("portal-session", {"return_path": path}).status_code == 400


def test_other_services_learn_what_a_user_may_use(subscriber: Person) -> None:
    """Unchanged entitlements are 304; a cancellation changes them."""
    first = subscriber.get("entitlements")
    again = subscriber.get("entitlements", **{"If-None-Match": first["ETag"]})

    assert first.json()["products"] == ["basic_subscription"]
    assert (again.status_code, again.content) == (304, b"")
    for name in ("ETag", "Cache-Control"):
        assert again[name] == first[name]
    assert subscriber.get("entitlements", **{"If-None-Match": "*"}).status_code == 304
    subscriber.post("cancel", {"at_period_end": False})
    after = subscriber.get("entitlements", **{"If-None-Match": first["ETag"]})
    assert (after.status_code, after.json()) == (200, {"products": [], "access_until": None})
    newcomer = Person(subscriber.stripe)
    assert newcomer.get("entitlements").json() == {"products": [], "access_until": None}


def test_a_new_price_takes_nothing_from_those_who_pay_the_old_one(subscriber: Person) -> None:
    """They go on paying what they agreed to, and what they bought stays theirs."""
    product = SubscriptionProduct.objects.get(name="basic_subscription")
    mirror_price(product)
    product.price_reference = "price_of_next_year"
    product.save()

    refresh_customer(str(Customer.objects.get().stripe_customer_id), cause="test")

    assert subscriber.get("entitlements").json()["products"] == ["basic_subscription"]


def test_a_subscription_that_ended_at_stripe_is_noticed(subscriber: Person) -> None:
    """A call that comes too late is refused, and the row is brought up to date."""
    (subscription,) = subscriber.stripe.subscriptions_of(subscriber.id)
    subscriber.stripe.delete(f"/v1/subscriptions/{subscription['id']}")

    answer = subscriber.post("cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert subscriber.words() == ("canceled", "canceled")


@pytest.mark.parametrize("path", ["change", "change/preview"])
def test_a_customer_that_is_gone_at_stripe_is_noticed(subscriber: Person, path: str) -> None:
    """Though no webhook reported it, the answer is one of the documented ones."""
    (customer,) = subscriber.stripe.customers_of(subscriber.id)
    subscriber.stripe.delete(f"/v1/customers/{customer['id']}")

    answer = subscriber.post(path, PRO)

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert subscriber.words() == ("canceled", "canceled")


def test_every_change_of_state_is_noted(subscriber: Person) -> None:
    """The timeline tells what changed, and why."""
    subscriber.post("change", PRO)
    subscriber.post("cancel", {"at_period_end": False})

    row = Subscription.objects.get()
    causes = list(SubscriptionChange.objects.filter(subscription=row).values_list("cause", "after"))
    assert causes[0][0].startswith("attempt ")
    assert causes[1][0] == "change to pro_subscription"
    assert causes[-1][1]["stripe_status"] == "canceled"


def test_products_are_listed_with_stripes_amounts(person: Person) -> None:
    """Cheapest first, in the smallest unit of their currency."""
    products = person.get("products").json()

    assert [(each["name"], each["unit_amount"], each["currency"]) for each in products] == [
        ("basic_subscription", 1000, "usd"),
        ("pro_subscription", 2500, "usd"),
    ]

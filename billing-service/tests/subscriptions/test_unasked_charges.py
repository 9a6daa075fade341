"""No charge that the user did not ask for, and nothing ended that someone has paid for."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from subscriptions.models import SubscribeAttempt, Subscription
from subscriptions.stripe_gateway import client as stripe_client
from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from tests.sandbox import Sandbox
from tests.subscriptions.person import (
    NEEDS_AUTHENTICATION,
    Person,
    card,
)
from worker.tasks import sweep_attempts

BASIC = {"subscription_product": "basic_subscription"}
PRO = {"subscription_product": "pro_subscription"}
CREATE = {"method": "POST", "path": "/v1/subscriptions"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up waiting sooner than in production; the order of things stays the same."""
    monkeypatch.setattr("stripe.HTTPClient.INITIAL_DELAY", 0.01)


@pytest.mark.parametrize(
    ("path", "body"), [("subscribe", BASIC | card()), ("checkout-session", BASIC)]
)
def test_a_payment_completed_at_the_last_moment_is_kept(
    person: Person,
    stripe: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, Any],
) -> None:
    """3-D Secure is completed just before the next request ends that payment: it was paid for."""
    first = person.subscribe(NEEDS_AUTHENTICATION).json()
    intent = first["next_action"]["client_secret"].partition("_secret")[0]
    call = stripe_client.call
    completed: list[str] = []

    def complete_first(method: Any, address: str, *ids: str, **kwargs: Any) -> Any:
        ends = method == "delete" or address.endswith("/void")
        if ends and not completed:
            completed.append(intent)
            stripe.authenticate(intent)
        return call(method, address, *ids, **kwargs)

    for module in ("subscriptions", "invoices"):
        monkeypatch.setattr(f"subscriptions.stripe_gateway.{module}.call", complete_first)

    answer = person.post(path, body)

    assert completed == [intent]
    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    (subscription,) = stripe.subscriptions_of(person.id)
    assert (subscription["id"], subscription["status"]) == (first["id_reference"], "active")
    assert len(stripe.charges_of(person.id)) == 1
    assert person.words() == ("successful", "active")


@pytest.mark.parametrize(
    ("path", "body"), [("subscribe", BASIC | card()), ("checkout-session", BASIC)]
)
def test_a_page_that_does_not_close_is_the_only_way_to_pay(
    person: Person, stripe: Sandbox, path: str, body: dict[str, Any]
) -> None:
    """Stripe keeps it open while a payment is made on it: a second one would be charged as well."""
    url = person.post("checkout-session", BASIC).json()["url"]
    refused = {"method": "POST", "path": "/v1/checkout/sessions/*/expire"}
    with stripe.fault(effect="error", status=400, **refused):
        answer = person.post(path, body)
    assert stripe.complete_checkout(url)
    person.hear_from_stripe()

    assert (answer.status_code, answer.json()["code"]) == (409, "payment_under_way")
    assert int(answer["Retry-After"]) > 0
    assert len(stripe.subscriptions_of(person.id)) == 1
    assert len(stripe.charges_of(person.id)) == 1
    assert person.words() == ("successful", "active")


def test_a_page_that_does_not_close_keeps_the_callers_key(person: Person, stripe: Sandbox) -> None:
    """Nothing was begun under the key, so the same call goes on once the page is closed."""
    key = {"Idempotency-Key": "order-1"}
    person.post("checkout-session", BASIC)
    refused = {"method": "POST", "path": "/v1/checkout/sessions/*/expire"}
    with stripe.fault(effect="error", status=400, **refused):
        assert person.subscribe(**key).status_code == 409

    assert person.subscribe(**key).status_code == 200


def test_a_release_in_the_middle_of_an_attempt_finds_what_the_last_one_made(
    person: Person, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its calls differ, so Stripe refuses the keys: the subscription stays, with its card."""
    with stripe.fault(effect="error", status=500, when="after", path="/v1/subscriptions"):
        assert person.subscribe().status_code == 503
    create = stripe_subscriptions.create_subscription

    def create_differently(**kwargs: Any) -> Any:
        return create(**kwargs | {"metadata": kwargs["metadata"] | {"release": "next"}})

    monkeypatch.setattr(stripe_subscriptions, "create_subscription", create_differently)

    answer = person.subscribe()

    assert answer.status_code == 200, answer.content
    assert person.words() == ("successful", "active")
    (subscription,) = stripe.subscriptions_of(person.id)
    cards = stripe.all(f"/v1/customers/{subscription['customer']}/payment_methods")
    assert subscription["default_payment_method"] in {each["id"] for each in cards}
    assert len(stripe.charges_of(person.id)) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_that_did_nothing_ends_the_attempt(
    person: Person, stripe: Sandbox, status: int
) -> None:
    """The user has read that it failed: nothing is charged when the cause is gone."""
    key = {"Idempotency-Key": "order-1"}
    with stripe.fault(effect="error", status=status, **CREATE):
        assert person.subscribe(**key).status_code >= 400

    assert not SubscribeAttempt.objects.filter(state="open").exists()
    sweep_attempts(timestamp=0)
    assert stripe.charges_of(person.id) == []
    again = person.subscribe(**key if status in (401, 403) else {})
    assert again.status_code == 200, again.content
    assert len(stripe.charges_of(person.id)) == 1


def test_a_key_in_use_is_waited_for(person: Person, stripe: Sandbox) -> None:
    """The call is being carried out: the attempt stays open, under the same key."""
    with stripe.fault(effect="error", status=409, **CREATE):
        assert person.subscribe().status_code == 503

    assert SubscribeAttempt.objects.get().state == "open"
    assert person.subscribe().status_code == 200
    assert len(stripe.charges_of(person.id)) == 1


def test_the_status_says_that_a_payment_is_pending(person: Person, stripe: Sandbox) -> None:
    """After a 503 the user learns that the payment may have been made, and then what came of it."""
    with stripe.fault(effect="error", status=500, when="after", path="/v1/subscriptions"):
        assert person.subscribe().status_code == 503
        body = person.status()

    assert (body["status"], body["next_action"]["type"]) == ("pending", "wait")
    assert body["price_reference"] == "price_sandbox_basic"
    assert person.get("entitlements").json()["products"] == []
    sweep_attempts(timestamp=0)
    assert person.words() == ("successful", "active")


def _left_alone(**columns: Any) -> None:
    """Let the user have gone six minutes ago."""
    moment = timezone.now() - timedelta(minutes=6)
    SubscribeAttempt.objects.update(
        created_at=moment, charge_until=moment, leased_until=moment, **columns
    )


def test_a_user_who_left_is_not_charged_later(person: Person, stripe: Sandbox) -> None:
    """They read 503 and may have paid elsewhere since: five minutes later nothing new is made."""
    with stripe.fault(effect="error", status=500, when="before", path="/v1/subscriptions"):
        assert person.subscribe().status_code == 503
    _left_alone()

    sweep_attempts(timestamp=0)

    assert SubscribeAttempt.objects.get().state == "failed"
    assert stripe.subscriptions_of(person.id) == []
    assert stripe.charges_of(person.id) == []
    assert person.subscribe().status_code == 200


def test_what_a_user_who_left_has_paid_for_is_theirs(person: Person, stripe: Sandbox) -> None:
    """The answer was lost after the charge: it is adopted, however late."""
    with stripe.fault(effect="error", status=500, when="after", path="/v1/subscriptions"):
        assert person.subscribe().status_code == 503
    _left_alone()

    sweep_attempts(timestamp=0)

    assert SubscribeAttempt.objects.get().state == "succeeded"
    assert person.words() == ("successful", "active")
    assert len(stripe.charges_of(person.id)) == 1


def test_what_a_user_who_left_has_not_paid_is_ended(person: Person, stripe: Sandbox) -> None:
    """A payment that waits for 3-D Secure would be charged when an old page is completed."""
    with stripe.fault(effect="error", status=500, when="after", path="/v1/subscriptions"):
        assert person.subscribe(NEEDS_AUTHENTICATION).status_code == 503
    _left_alone()

    sweep_attempts(timestamp=0)

    (subscription,) = stripe.subscriptions_of(person.id)
    assert subscription["status"] == "incomplete_expired"
    assert SubscribeAttempt.objects.get().state == "failed"
    assert stripe.charges_of(person.id) == []


def test_nothing_is_given_up_while_a_call_may_still_arrive(person: Person, stripe: Sandbox) -> None:
    """A minute passes before it is believed that nothing came of it; a new request waits."""
    with stripe.fault(effect="error", status=500, when="before", path="/v1/subscriptions"):
        assert person.subscribe().status_code == 503
    SubscribeAttempt.objects.update(charge_until=timezone.now())

    sweep_attempts(timestamp=0)
    other = person.subscribe(product="pro_subscription")

    assert SubscribeAttempt.objects.get().state == "open"
    assert (other.status_code, other.json()["code"]) == (409, "attempt_in_progress")
    assert 0 < int(other["Retry-After"]) <= 62
    SubscribeAttempt.objects.update(leased_until=timezone.now() - timedelta(seconds=61))
    assert person.subscribe(product="pro_subscription").status_code == 200
    (charge,) = stripe.charges_of(person.id)
    assert charge["amount"] == 2500


def test_a_card_that_pays_something_stays_attached(person: Person, stripe: Sandbox) -> None:
    """We have not heard that it pays; Stripe says so, and the refused attempt leaves it alone."""
    assert person.post("setup-intent").status_code == 200
    (customer,) = stripe.customers_of(person.id)
    paying = stripe.post(
        "/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=customer["id"]
    )
    price = {
        "currency": "usd",
        "unit_amount": 0,
        "recurring[interval]": "month",
        "product_data[name]": "Another product",
    }
    stripe.post(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "items[0][price]": stripe.post("/v1/prices", **price)["id"],
            "default_payment_method": paying["id"],
        },
    )

    answer = person.post("subscribe", BASIC | {"payment_method": paying["id"]})

    assert (answer.status_code, answer.json()["code"]) == (400, "card_declined")
    cards = stripe.all(f"/v1/customers/{customer['id']}/payment_methods")
    assert [each["id"] for each in cards] == [paying["id"]]


def _other_product(person: Person) -> dict[str, Any]:
    """Give our user's customer another product's subscription in the same account."""
    (customer,) = person.stripe.customers_of(person.id)
    price = {
        "currency": "usd",
        "unit_amount": 300,
        "recurring[interval]": "month",
        "product_data[name]": "Another product",
    }
    method = person.stripe.post("/v1/payment_methods/pm_card_visa/attach", customer=customer["id"])
    made = person.stripe.post(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "items[0][price]": person.stripe.post("/v1/prices", **price)["id"],
            "default_payment_method": method["id"],
        },
    )
    person.hear_from_stripe()
    return made


def test_another_products_subscription_is_not_ours(person: Person, stripe: Sandbox) -> None:
    """It gives nothing, hinders nothing and cannot be ended here; staff see it."""
    assert person.post("setup-intent").status_code == 200
    other = _other_product(person)

    assert person.get("status").status_code == 404
    assert person.get("entitlements").json()["products"] == []
    for path in ("cancel", "resume", "change"):
        assert person.post(path, PRO if path == "change" else {}).status_code == 404
    assert person.subscribe().status_code == 200
    assert person.post("cancel", {"at_period_end": False}).json()["status"] == "canceled"

    states = {each["id"]: each["status"] for each in stripe.subscriptions_of(person.id)}
    assert states.pop(other["id"]) == "active"
    assert list(states.values()) == ["canceled"]
    assert Subscription.objects.get(is_ours=False).stripe_subscription_id == other["id"]


def test_a_newer_subscription_that_is_not_paid_does_not_hide_the_paid_one(
    person: Person, stripe: Sandbox
) -> None:
    """Staff made a second one that failed: the user goes on using what they pay for."""
    first = person.subscribe().json()["id_reference"]
    (customer,) = stripe.customers_of(person.id)
    broken = stripe.post(
        "/v1/payment_methods/pm_card_chargeCustomerFail/attach", customer=customer["id"]
    )
    stripe.post(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "items[0][price]": "price_sandbox_pro",
            "default_payment_method": broken["id"],
        },
    )
    person.hear_from_stripe()
    Subscription.objects.exclude(stripe_subscription_id=first).update(stripe_status="unpaid")

    person.post("cancel", {"at_period_end": True})

    assert person.status()["id_reference"] == first
    assert person.get("entitlements").json()["products"] == ["basic_subscription"]

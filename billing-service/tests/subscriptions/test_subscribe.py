"""The original's demo, and what goes wrong around it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscriptions.models import SubscribeAttempt, Subscription
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import (
    DECLINED,
    FAILS_WHEN_CHARGED,
    NEEDS_AUTHENTICATION,
    NO_FUNDS,
    VISA,
    Person,
    card,
)
from users.mirror import mirror_user


def test_a_good_card_subscribes(person: Person) -> None:
    """The answer is the status body, and status repeats it with the original's seven fields."""
    answer = person.subscribe()

    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["status"], body["payment_gateway_status"]) == ("successful", "active")
    assert body["price_reference"] == "price_sandbox_basic"
    assert body["id_reference"].startswith("sub_")
    assert body["current_period_start"] < body["current_period_end"]
    assert body["access_until"] == body["current_period_end"]
    assert body["purchase_date"] == body["current_period_start"][:10]
    assert (body["cancel_at_period_end"], body["next_action"]) == (False, None)
    assert person.status() == body


@pytest.mark.parametrize("known", [False, True], ids=["new customer", "known customer"])
def test_subscribing_asks_the_database_little(person: Person, *, known: bool) -> None:
    """Its own time is mostly statements: one more here is paid by every subscriber."""
    mirror_user(person.id)
    if known:
        assert person.post("setup-intent").status_code == 200

    with CaptureQueriesContext(connection) as asked:
        assert person.subscribe().status_code == 200

    assert len(asked) <= (22 if known else 27), "\n".join(query["sql"][:150] for query in asked)


@pytest.mark.parametrize("known", [False, True], ids=["new customer", "known customer"])
def test_subscribing_calls_stripe_three_times_at_most(person: Person, *, known: bool) -> None:
    """Each call is a wait for the user: customer, card, subscription."""
    if known:
        assert person.post("setup-intent").status_code == 200

    assert person.subscribe().status_code == 200

    attempt = SubscribeAttempt.objects.get()
    sent = [call["key"].rpartition(":")[2] for call in attempt.calls if call["key"]]
    assert sent[-2:] == ["payment-method", "subscription"]
    assert len(sent) == (2 if known else 3)


@pytest.mark.parametrize(
    "number",
    [
        "4000002760000016",
        "5105105105105100",
        "2223003122003222",
        "36227206271667",
        "6205500000000000004",
        "4000000000009235",
        "4000000000000259",
    ],
)
def test_cards_of_other_countries_and_brands_subscribe_too(person: Person, number: str) -> None:
    """The original's demo invites to try Stripe's other published cards."""
    assert person.subscribe(number).status_code == 200


def test_a_subscriber_cannot_subscribe_again(person: Person) -> None:
    """The second attempt is refused and charges nothing."""
    person.subscribe()

    again = person.subscribe(product="pro_subscription")

    assert (again.status_code, again.json()["code"]) == (409, "already_subscribed")
    assert len(person.stripe.charges_of(person.id)) == 1


def test_without_a_token_no_one_subscribes(person: Person) -> None:
    """The refusal challenges for a token."""
    answer = person.client.post("/api/subscriptions/subscribe", card(), "application/json")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("number", "decline_code"),
    [
        (DECLINED, "generic_decline"),
        (NO_FUNDS, "insufficient_funds"),
        ("4100000000000019", "fraudulent"),
        ("4000000000006975", "card_velocity_exceeded"),
    ],
)
def test_a_declined_card_is_explained_in_a_sentence(
    person: Person, number: str, decline_code: str
) -> None:
    """The user learns why, and nothing is left behind at Stripe."""
    answer = person.subscribe(number)

    assert answer.status_code == 400
    body = answer.json()
    assert (body["code"], body["decline_code"]) == ("card_declined", decline_code)
    assert body["detail"].endswith(".")
    assert person.get("status").status_code == 404
    (customer,) = person.stripe.customers_of(person.id)
    assert person.stripe.all(f"/v1/customers/{customer['id']}/payment_methods") == []


def test_a_card_that_fails_when_charged_leaves_nothing_to_charge_later(person: Person) -> None:
    """The incomplete subscription is cancelled and the card detached."""
    answer = person.subscribe(FAILS_WHEN_CHARGED)

    assert (answer.status_code, answer.json()["code"]) == (400, "card_declined")
    (customer,) = person.stripe.customers_of(person.id)
    (subscription,) = person.stripe.subscriptions_of(person.id)
    assert subscription["status"] in ("canceled", "incomplete_expired")
    assert person.stripe.all(f"/v1/customers/{customer['id']}/payment_methods") == []
    assert SubscribeAttempt.objects.get().state == "declined"


@pytest.mark.parametrize("bad", [DECLINED, FAILS_WHEN_CHARGED])
def test_a_bad_card_then_a_good_card(person: Person, bad: str) -> None:
    """A decline closes its attempt; the next card starts a new one for the same customer."""
    assert person.subscribe(bad).status_code == 400

    answer = person.subscribe()

    assert answer.status_code == 200
    assert person.words() == ("successful", "active")
    assert len(person.stripe.customers_of(person.id)) == 1
    assert len(person.stripe.charges_of(person.id)) == 1


def test_authentication_completes_by_webhook_alone(person: Person) -> None:
    """3-D Secure: failed until the bank's page was completed, then successful with no more call."""
    body = person.subscribe(NEEDS_AUTHENTICATION).json()

    assert (body["status"], body["payment_gateway_status"]) == ("failed", "incomplete")
    assert body["next_action"]["hosted_invoice_url"]
    intent = body["next_action"]["client_secret"].partition("_secret")[0]

    person.stripe.authenticate(intent)
    person.hear_from_stripe()

    assert person.words() == ("successful", "active")
    assert SubscribeAttempt.objects.get().state == "succeeded"


def test_the_card_that_was_authenticated_becomes_the_default(person: Person) -> None:
    """Stripe's own pages show it, and what is billed later is paid with it."""
    intent = person.subscribe(NEEDS_AUTHENTICATION).json()["next_action"]["client_secret"]
    person.hear_from_stripe()

    person.stripe.authenticate(intent.partition("_secret")[0])
    for event in person.stripe.new_events():
        # What else changed about the customer may be reported much later.
        if event["type"] != "customer.updated":
            deliver(event)
    process_events()

    (customer,) = person.stripe.customers_of(person.id)
    (subscription,) = person.stripe.subscriptions_of(person.id)
    default = customer["invoice_settings"]["default_payment_method"]
    assert default == subscription["default_payment_method"]


def test_an_open_authentication_can_be_given_up_for_another_card(person: Person) -> None:
    """An incomplete subscription does not stop the next attempt, which ends it."""
    first = person.subscribe(NEEDS_AUTHENTICATION).json()["id_reference"]
    for _ in range(4):
        again = person.subscribe(NEEDS_AUTHENTICATION).json()
        # Often within the same second, which is as fine as Stripe's times are.
        assert again["payment_gateway_status"] == "incomplete"
        assert again["id_reference"] != first

    answer = person.subscribe()

    assert answer.status_code == 200
    second = answer.json()["id_reference"]
    states = {each["id"]: each["status"] for each in person.stripe.subscriptions_of(person.id)}
    assert states[first] in ("canceled", "incomplete_expired")
    assert states[second] == "active"
    assert len(person.stripe.charges_of(person.id)) == 1


def test_a_payment_method_id_subscribes_too(person: Person) -> None:
    """Real front ends send pm_…, never a number."""
    answer = person.post(
        "subscribe/",
        {"subscription_product": "pro_subscription", "payment_method": "pm_card_mastercard"},
    )

    assert answer.status_code == 200
    assert answer.json()["price_reference"] == "price_sandbox_pro"


@pytest.mark.parametrize("payment_method", ["pm_unknown", "pm_card_nonsense"])
def test_an_unknown_payment_method_is_refused(person: Person, payment_method: str) -> None:
    """A wrong id is the caller's mistake, not a failure of ours."""
    wanted = {"subscription_product": "basic_subscription", "payment_method": payment_method}

    assert person.post("subscribe", wanted).json()["code"] == "payment_method_refused"
    person.subscribe()
    other = Person(person.stripe)
    other.subscribe(NEEDS_AUTHENTICATION)
    assert other.post("subscribe", wanted).status_code == 400


def test_an_unknown_product_is_refused(person: Person) -> None:
    """The name must be one of those on sale."""
    answer = person.subscribe(VISA, "gold_subscription")

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_product")


def test_a_customer_deleted_at_stripe_can_subscribe_again(person: Person, stripe: Sandbox) -> None:
    """What staff deleted in Stripe's dashboard is marked so, and a new customer is made."""
    first = person.subscribe().json()["id_reference"]
    (customer,) = stripe.customers_of(person.id)
    person.post("cancel", {"at_period_end": False})
    stripe.delete(f"/v1/customers/{customer['id']}")

    answer = person.subscribe()

    assert answer.status_code == 200, answer.content
    assert answer.json()["id_reference"] != first
    assert Subscription.objects.filter(user_id=person.id).count() == 2


def test_someone_subscribed_in_the_dashboard_is_not_billed_twice(
    person: Person, stripe: Sandbox
) -> None:
    """A live subscription that we never heard of is noticed before a second one is made."""
    person.subscribe(FAILS_WHEN_CHARGED)
    (customer,) = stripe.customers_of(person.id)
    method = stripe.post("/v1/payment_methods/pm_card_visa/attach", customer=customer["id"])
    stripe.post(
        "/v1/subscriptions",
        **{
            "customer": customer["id"],
            "items[0][price]": "price_sandbox_pro",
            "default_payment_method": method["id"],
        },
    )

    answer = person.subscribe()

    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    assert len(stripe.charges_of(person.id)) == 1
    assert person.words() == ("successful", "active")

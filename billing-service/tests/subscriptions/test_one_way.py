"""One customer and one way to subscribe at a time, whatever is opened beside each other."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from subscriptions.models import Customer, SubscribeAttempt, Subscription
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.sync import customer_rows
from tests.sandbox import Sandbox
from tests.subscriptions.person import NEEDS_AUTHENTICATION, Person, card
from worker.tasks import sweep_attempts

BASIC = {"subscription_product": "basic_subscription"}
PRO = {"subscription_product": "pro_subscription"}
CREATE = {"method": "POST", "path": "/v1/subscriptions"}


@pytest.mark.parametrize(("path", "body"), [("setup-intent", {}), ("checkout-session", BASIC)])
def test_no_one_subscribes_while_the_customer_is_made(
    person: Person,
    stripe: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, str],
) -> None:
    """Two first calls at once would make two customers; the second one has to wait."""
    make = stripe_customers.create_bare_customer
    refused: list[tuple[int, str]] = []

    def make_slowly(**parameters: object) -> object:
        others = (person.subscribe(), person.post("setup-intent"))
        refused.extend((other.status_code, other.json()["code"]) for other in others)
        return make(**parameters)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(stripe_customers, "create_bare_customer", make_slowly)
    monkeypatch.setattr(customer_rows, "BRIEF", timedelta(0))

    assert person.post(path, body).status_code == 200

    assert refused == [(409, "attempt_in_progress")] * 2
    assert len(stripe.customers_of(person.id)) == 1
    assert person.subscribe().status_code == 200
    assert len(stripe.customers_of(person.id)) == 1


def test_a_customer_of_whom_the_answer_was_lost_is_the_one_to_subscribe(
    person: Person, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe made it and the process died: the subscribe that follows asks for the same one."""
    monkeypatch.setattr(customer_rows, "note_stripe_id", _die)
    monkeypatch.setattr(customer_rows, "give_back_lease", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        person.post("setup-intent")
    monkeypatch.undo()
    assert person.subscribe().json()["code"] == "attempt_in_progress"
    Customer.objects.update(leased_until=timezone.now() - timedelta(seconds=1))

    assert person.subscribe().status_code == 200

    assert len(stripe.customers_of(person.id)) == 1


def test_a_page_is_closed_when_its_user_subscribes_here(person: Person, stripe: Sandbox) -> None:
    """Who finished an older page afterwards would pay twice."""
    url = person.post("checkout-session", BASIC).json()["url"]

    assert person.subscribe().status_code == 200

    assert not stripe.complete_checkout(url)
    assert len(stripe.charges_of(person.id)) == 1
    assert Customer.objects.get().checkout_session == ""


@pytest.mark.parametrize(
    ("path", "body"), [("subscribe", BASIC | card()), ("checkout-session", BASIC)]
)
def test_what_was_subscribed_on_the_page_is_noticed(
    person: Person, stripe: Sandbox, path: str, body: dict[str, Any]
) -> None:
    """The page was completed and no webhook has arrived: neither way subscribes again."""
    url = person.post("checkout-session", BASIC).json()["url"]
    assert stripe.complete_checkout(url)

    answer = person.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    assert person.words() == ("successful", "active")
    assert len(stripe.charges_of(person.id)) == 1


def test_one_page_is_open_at_a_time(person: Person, stripe: Sandbox) -> None:
    """The older one is closed, and a subscriber who left can open another."""
    first = person.post("checkout-session", BASIC).json()["url"]
    second = person.post("checkout-session", BASIC).json()["url"]

    assert not stripe.complete_checkout(first)
    assert stripe.complete_checkout(second)
    person.hear_from_stripe()
    assert person.words() == ("successful", "active")
    person.post("cancel", {"at_period_end": False})
    assert person.post("checkout-session", BASIC).status_code == 200


def test_a_page_stays_open_for_half_an_hour(person: Person, stripe: Sandbox) -> None:
    """A page found in an old tab leads nowhere."""
    url = person.post("checkout-session", BASIC).json()["url"]

    session = stripe.get(f"/v1/checkout/sessions/{url.rpartition('/')[2]}")

    assert 30 * 60 <= session["expires_at"] - session["created"] <= 32 * 60


def test_a_page_gives_up_the_payment_that_waits(person: Person, stripe: Sandbox) -> None:
    """Completing the bank's page as well would pay twice."""
    waiting = person.subscribe(NEEDS_AUTHENTICATION).json()["id_reference"]

    url = person.post("checkout-session", BASIC).json()["url"]

    states = {each["id"]: each["status"] for each in stripe.subscriptions_of(person.id)}
    assert states[waiting] in ("canceled", "incomplete_expired")
    assert stripe.complete_checkout(url)


def test_no_page_opens_beside_an_open_attempt(person: Person, stripe: Sandbox) -> None:
    """It is not known yet whether the attempt subscribes."""
    assert person.post("setup-intent").status_code == 200
    with stripe.fault(effect="error", status=500, when="after", path="/v1/subscriptions"):
        assert person.subscribe().status_code == 503

    answer = person.post("checkout-session", BASIC)

    assert (answer.status_code, answer.json()["code"]) == (409, "attempt_in_progress")


@pytest.mark.parametrize(
    ("path", "body"),
    [("checkout-session", BASIC), ("payment-method", card()), ("change", PRO), ("cancel", {})],
)
def test_one_process_acts_for_a_customer_at_a_time(
    person: Person, path: str, body: dict[str, Any]
) -> None:
    """Two requests at once would undo each other's work at Stripe; the second has to wait."""
    assert person.subscribe().status_code == 200
    person.post("cancel", {"at_period_end": False}) if path == "checkout-session" else None
    Customer.objects.update(leased_until=timezone.now() + timedelta(seconds=20))

    answer = person.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (409, "attempt_in_progress")
    assert 0 < int(answer["Retry-After"]) <= 21
    assert person.get("status").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"), [("subscribe", BASIC | card()), ("payment-method", card()), ("cancel", {})]
)
def test_a_request_waits_for_what_the_worker_does_after_the_last_one(
    person: Person, path: str, body: dict[str, Any]
) -> None:
    """Webhooks of that one are being processed, which takes some tenths of a second."""
    assert person.subscribe().status_code == 200
    person.post("cancel", {"at_period_end": False}) if path == "subscribe" else None
    Customer.objects.update(leased_until=timezone.now() + customer_rows.LEASE)

    with ThreadPoolExecutor(1) as worker:
        worker.submit(_give_back_lease_soon)
        answer = person.post(path, body)

    assert answer.status_code == 200, answer.content


def test_a_request_does_not_wait_behind_others_without_end(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of many clicks takes the lease in turn; the one that never gets it is refused."""
    assert person.subscribe().status_code == 200
    pauses = 0

    def another_takes_the_lease(_: float = 0) -> None:
        nonlocal pauses
        pauses += 1
        assert pauses < 1000
        Customer.objects.update(leased_until=timezone.now() + customer_rows.LEASE)

    another_takes_the_lease()
    monkeypatch.setattr(customer_rows, "BRIEF", timedelta(seconds=0.2))
    monkeypatch.setattr(time, "sleep", another_takes_the_lease)

    answer = person.post("cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "attempt_in_progress")
    assert pauses > 1


def _give_back_lease_soon() -> None:
    time.sleep(0.3)
    Customer.objects.update(leased_until=None)
    connection.close()


def test_an_attempt_taken_up_again_sees_what_happened_meanwhile(
    person: Person, stripe: Sandbox
) -> None:
    """Stripe replays the list of subscriptions from before; it is asked for again."""
    assert person.post("setup-intent").status_code == 200
    with stripe.fault(effect="error", status=500, when="before", **CREATE):
        assert person.subscribe().status_code == 503
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

    sweep_attempts(timestamp=0)

    assert len(stripe.charges_of(person.id)) == 1
    assert Subscription.objects.get().price_reference == "price_sandbox_pro"
    assert SubscribeAttempt.objects.filter(refusal__code="already_subscribed").exists()


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt

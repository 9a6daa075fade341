"""Stripe slow, wrong or unavailable, calls repeated, limits: no user is billed twice."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from subscriptions.models import CardFailure, SubscribeAttempt
from subscriptions.stripe_gateway import client as stripe_client
from subscriptions.subscribing.subscribe import recover
from tests.sandbox import Sandbox
from tests.subscriptions.person import (
    DECLINED,
    FAILS_WHEN_CHARGED,
    NEEDS_AUTHENTICATION,
    VISA,
    Person,
    card,
)
from worker.tasks import sweep_attempts

# Creating and listing: a look would tell at once what became of a lost answer.
WORK = {"path": "/v1/subscriptions"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up waiting sooner than in production; the order of things stays the same."""
    monkeypatch.setattr(stripe_client, "READ_TIMEOUT_SECONDS", 0.7)
    monkeypatch.setattr("stripe.HTTPClient.INITIAL_DELAY", 0.01)


@pytest.mark.parametrize(
    "fault",
    [
        {"effect": "error", "status": 500, "when": "before"},
        {"effect": "error", "status": 500, "when": "after"},
        {"effect": "error", "status": 429},
        {"effect": "reset", "when": "before"},
        {"effect": "reset", "when": "after"},
        {"effect": "timeout", "when": "before", "milliseconds": 2000},
        {"effect": "timeout", "when": "after", "milliseconds": 2000},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
@pytest.mark.parametrize("path", ["/v1/customers", "/v1/subscriptions"])
def test_whatever_stripe_does_the_user_is_charged_once(
    person: Person, stripe: Sandbox, fault: dict[str, object], path: str
) -> None:
    """While it lasts: 503 with Retry-After, and the attempt stays open; afterwards: one charge.

    If only the answer to the subscription was lost, a look finds what was made.
    """
    with stripe.fault(method="POST", path=path, **fault):
        answer = person.subscribe()

    if path == "/v1/subscriptions" and fault.get("when") == "after":
        assert answer.status_code == 200, answer.content
        assert len(stripe.charges_of(person.id)) == 1
        return
    assert answer.status_code == 503, answer.content
    is_busy = fault.get("status") == 429
    expected = "payment_gateway_rate_limited" if is_busy else "payment_gateway_unavailable"
    assert answer.json()["code"] == expected
    assert int(answer["Retry-After"]) > 0
    attempt = SubscribeAttempt.objects.get()
    assert attempt.state == "open"

    again = person.subscribe()

    assert again.status_code == 200, again.content
    assert SubscribeAttempt.objects.get().pk == attempt.pk
    assert len(stripe.customers_of(person.id)) == 1
    assert len(stripe.charges_of(person.id)) == 1


def test_a_short_outage_is_not_noticed(person: Person, stripe: Sandbox) -> None:
    """A failing call is repeated under the same key before the user gets an answer."""
    with stripe.fault(effect="reset", when="after", times=1, **WORK):
        answer = person.subscribe()

    assert answer.status_code == 200
    assert len(stripe.charges_of(person.id)) == 1


def test_the_sweeper_finishes_what_an_outage_left(person: Person, stripe: Sandbox) -> None:
    """No user has to call again."""
    with stripe.fault(effect="error", status=500, when="after", **WORK):
        assert person.subscribe().status_code == 503

    sweep_attempts(timestamp=0)

    assert person.words() == ("successful", "active")
    assert len(stripe.charges_of(person.id)) == 1


def test_a_sweep_ends_in_time(person: Person, stripe: Sandbox) -> None:
    """A slow Stripe does not keep a sweep busy for an hour; the next one goes on."""
    with stripe.fault(effect="error", status=500, when="after", **WORK):
        for someone in (person, Person(stripe)):
            assert someone.subscribe().status_code == 503

    assert recover(seconds=0) == 1
    assert SubscribeAttempt.objects.filter(state="open").count() == 1


def test_a_long_outage_does_not_make_an_attempt_grow(person: Person, stripe: Sandbox) -> None:
    """It is called for every minute; the last calls are enough to explain what happened."""
    with stripe.fault(effect="error", status=500, **WORK):
        person.subscribe()
        call = {"key": "", "request_id": "", "outcome": "APIConnectionError"}
        SubscribeAttempt.objects.update(calls=[call] * 500)
        sweep_attempts(timestamp=0)

    attempt = SubscribeAttempt.objects.get()
    assert (attempt.state, len(attempt.calls)) == ("open", 50)


def test_another_request_waits_for_the_end_of_the_first(person: Person, stripe: Sandbox) -> None:
    """Only Stripe knows whether the first was done; it was, so the second would be a second."""
    with stripe.fault(effect="error", status=500, when="after", **WORK):
        assert person.subscribe().status_code == 503

    answer = person.subscribe(product="pro_subscription")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    assert person.status()["price_reference"] == "price_sandbox_basic"
    assert len(stripe.charges_of(person.id)) == 1


def test_another_request_has_to_come_back_while_stripe_is_unavailable(
    person: Person, stripe: Sandbox
) -> None:
    """It is not known whether the first request succeeded: 503 at once, and nothing new begins."""
    with stripe.fault(effect="error", status=500, when="before", **WORK):
        assert person.subscribe().status_code == 503
        answer = person.subscribe(product="pro_subscription")

    assert (answer.status_code, answer.json()["code"]) == (503, "payment_gateway_unavailable")
    attempt = SubscribeAttempt.objects.get()
    assert (attempt.state, attempt.product_name) == ("open", "basic_subscription")


def test_while_one_request_is_processed_the_next_has_to_wait(person: Person) -> None:
    """A double click is no second subscription."""
    person.subscribe(DECLINED)
    SubscribeAttempt.objects.update(
        state="open", leased_until=timezone.now() + timedelta(seconds=20)
    )

    answer = person.subscribe()

    assert (answer.status_code, answer.json()["code"]) == (409, "attempt_in_progress")
    assert 0 < int(answer["Retry-After"]) <= 21


def test_an_attempt_older_than_stripes_memory_is_looked_up_instead(
    person: Person, stripe: Sandbox
) -> None:
    """After a day a key would no longer be recognised, and sending it would bill again."""
    with stripe.fault(effect="error", status=500, when="after", **WORK):
        assert person.subscribe().status_code == 503
    SubscribeAttempt.objects.update(created_at=timezone.now() - timedelta(hours=24))

    sweep_attempts(timestamp=0)

    assert person.words() == ("successful", "active")
    assert len(stripe.charges_of(person.id)) == 1


def test_an_old_try_that_came_to_nothing_is_closed(person: Person, stripe: Sandbox) -> None:
    """The user can start again."""
    with stripe.fault(effect="error", status=500, method="POST", path="/v1/customers"):
        assert person.subscribe().status_code == 503
    SubscribeAttempt.objects.update(created_at=timezone.now() - timedelta(hours=24))

    sweep_attempts(timestamp=0)

    assert SubscribeAttempt.objects.get().state == "failed"
    assert person.subscribe().status_code == 200


@pytest.mark.parametrize("known", [False, True], ids=["new customer", "known customer"])
@pytest.mark.parametrize(
    ("path", "done", "status"),
    [
        ("/v1/customers", False, 409),
        ("/v1/subscriptions", False, 409),
        ("/v1/subscriptions", True, 200),
    ],
)
def test_a_failure_that_stripe_stored_does_not_block_the_user(
    person: Person,
    stripe: Sandbox,
    *,
    known: bool,
    path: str,
    done: bool,
    status: int,
) -> None:
    """Stripe would repeat it for a day; what came of the attempt is looked up, and it is closed."""
    if known:
        assert person.post("setup-intent").status_code == 200
        path = path.replace("customers", "payment_methods/*/attach")
    when = "after" if done else "before"
    with stripe.fault(effect="error", status=500, stored=True, when=when, method="POST", path=path):
        answer = person.subscribe()

    assert answer.status_code == status, answer.content
    assert not SubscribeAttempt.objects.filter(state="open").exists()
    assert person.subscribe().status_code == (409 if done else 200)
    assert len(stripe.charges_of(person.id)) == 1


def test_a_repeated_key_tells_how_to_authenticate(person: Person) -> None:
    """A caller who lost the first answer gets the secret as well."""
    key = {"Idempotency-Key": "order-1"}
    first = person.subscribe(NEEDS_AUTHENTICATION, **key)
    again = person.subscribe(NEEDS_AUTHENTICATION, **key)

    assert again.json()["next_action"]["client_secret"]
    assert again.json() == first.json()


def test_a_key_that_goes_on_with_an_open_attempt_can_be_repeated(
    person: Person, stripe: Sandbox
) -> None:
    """The call that got no answer had no key; the one that finished it did."""
    key = {"Idempotency-Key": "order-2"}
    with stripe.fault(effect="error", status=500, when="after", **WORK):
        assert person.subscribe().status_code == 503
    first = person.subscribe(**key)
    again = person.subscribe(**key)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()


def test_a_repeated_key_gets_its_answer_beyond_the_limit(person: Person) -> None:
    """It tries no card, so it gets the answer of the first call."""
    for count in range(settings.BILLING.card_failures_per_user):
        person.subscribe(DECLINED, **{"Idempotency-Key": f"order-{count}"})

    again = person.subscribe(DECLINED, **{"Idempotency-Key": "order-0"})

    assert (again.status_code, again.json()["code"]) == (400, "card_declined")


def test_a_repeated_key_gets_the_first_answer(person: Person, stripe: Sandbox) -> None:
    """A client that lost the answer asks again, and does not read "already subscribed"."""
    key = {"Idempotency-Key": "order-1"}
    first = person.subscribe(**key)
    again = person.subscribe(**key)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert len(stripe.charges_of(person.id)) == 1


@pytest.mark.parametrize("number", [DECLINED, FAILS_WHEN_CHARGED])
def test_a_repeated_key_repeats_a_refusal(person: Person, number: str) -> None:
    """The card is not tried a second time under the same key; a new key tries it again."""
    key = {"Idempotency-Key": "order-1"}
    first = person.subscribe(number, **key)
    again = person.subscribe(number, **key)

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert SubscribeAttempt.objects.count() == 1
    assert person.subscribe(VISA, **{"Idempotency-Key": "order-2"}).status_code == 200


def test_a_key_belongs_to_one_body_and_one_user(person: Person, stripe: Sandbox) -> None:
    """The same key with another body is refused; another user's key is another key."""
    key = {"Idempotency-Key": "order-1"}
    person.subscribe(DECLINED, **key)

    reused = person.subscribe(VISA, **key)

    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert Person(stripe).subscribe(VISA, **key).status_code == 200
    assert person.subscribe(VISA, **{"Idempotency-Key": "k" * 256}).status_code == 400


def test_too_many_refused_cards_are_answered_with_429(person: Person) -> None:
    """Even a good card has to wait then, or the answer would tell which cards are good."""
    for _ in range(settings.BILLING.card_failures_per_user):
        assert person.subscribe(DECLINED).status_code == 400

    answer = person.subscribe()

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_card_failures")
    assert 0 < int(answer["Retry-After"]) <= 3601
    assert person.post("payment-method", card()).status_code == 429
    CardFailure.objects.update(at=timezone.now() - timedelta(hours=1, seconds=1))
    assert person.subscribe().status_code == 200


def test_one_card_cannot_be_tried_through_many_users(
    stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card is recognised, in the hands of any user."""
    _limit(monkeypatch, card_failures_per_card=2)
    for _ in range(2):
        assert Person(stripe).subscribe(FAILS_WHEN_CHARGED).status_code == 400

    assert Person(stripe).subscribe(FAILS_WHEN_CHARGED).status_code == 429
    assert Person(stripe).subscribe(VISA).status_code == 200


def test_one_source_cannot_try_many_cards(stripe: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Card testers use one user a card; their address gives them away."""
    _limit(monkeypatch, card_failures_per_source=2)
    for number in (DECLINED, FAILS_WHEN_CHARGED):
        assert Person(stripe).subscribe(number).status_code == 400

    assert Person(stripe).subscribe(VISA).status_code == 429
    elsewhere = {"X-Forwarded-For": "1.1.1.1, 203.0.113.9"}
    assert Person(stripe).subscribe(VISA, **elsewhere).status_code == 200


def _limit(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, **limits))

"""What is settled at Stripe before a user is deleted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from subscriptions.errors import AttemptInProgress, PaymentGatewayUnavailable
from subscriptions.managing.user_deletion import cancel_everything_for
from subscriptions.models import (
    CardFailure,
    Customer,
    PaymentMethod,
    SubscribeAttempt,
    Subscription,
)
from subscriptions.sync.writer import lock_customer
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, Person, card
from users.mirror import mirror_user
from users.models import User


def test_a_leaver_is_billed_no_more(person: Person, stripe: Sandbox) -> None:
    """The subscription ends, the customer is forgotten; doing it twice is harmless."""
    assert person.subscribe().status_code == 200

    cancel_everything_for(person.id)
    cancel_everything_for(person.id)

    assert stripe.customers_of(person.id) == []
    assert person.words() == ("canceled", "canceled")
    assert Customer.objects.get().deleted_at is not None


def test_with_stripe_away_the_leaver_stays_for_now(person: Person, stripe: Sandbox) -> None:
    """Nothing is assumed to be cancelled that Stripe has not confirmed."""
    assert person.subscribe().status_code == 200

    with stripe.fault(effect="error", status=500), pytest.raises(PaymentGatewayUnavailable):
        cancel_everything_for(person.id)

    assert person.words() == ("successful", "active")
    assert Customer.objects.get().deleted_at is None


def test_a_try_under_way_is_waited_for(person: Person) -> None:
    """Otherwise it would start billing somebody who is gone."""
    assert person.subscribe().status_code == 200
    SubscribeAttempt.objects.update(
        state="open", leased_until=timezone.now() + timedelta(seconds=20)
    )

    with pytest.raises(AttemptInProgress):
        cancel_everything_for(person.id)


def test_a_leaver_is_forgotten(person: Person) -> None:
    """What says where they were and which cards they hold is gone; what was billed stays."""
    person.subscribe(DECLINED, **{"X-Forwarded-For": "203.0.113.9"})
    person.subscribe(**{"X-Forwarded-For": "203.0.113.9"})
    assert SubscribeAttempt.objects.exclude(source=None).count() == 2

    cancel_everything_for(person.id)

    assert not SubscribeAttempt.objects.exclude(source=None).exists()
    assert not CardFailure.objects.exists()
    (kept,) = PaymentMethod.objects.values_list("brand", "last4", "exp_month", "fingerprint")
    assert kept == ("", "", None, "")
    assert Subscription.objects.get().stripe_status == "canceled"


def test_a_try_that_begins_at_that_moment_is_seen(person: Person) -> None:
    """It holds the customer's row and is not committed yet; the goodbye waits for it to be."""
    assert person.subscribe(DECLINED).status_code == 400
    goodbye = ThreadPoolExecutor()
    with transaction.atomic():
        lock_customer(person.id)
        SubscribeAttempt.objects.update(
            state="open", leased_until=timezone.now() + timedelta(seconds=20)
        )
        left = goodbye.submit(_leave, person)
        with pytest.raises(TimeoutError):
            left.result(timeout=0.5)

    with pytest.raises(AttemptInProgress):
        left.result()
    goodbye.shutdown()


def _leave(person: Person) -> None:
    try:
        cancel_everything_for(person.id)
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["subscribe", "setup-intent"])
def test_nothing_new_begins_for_a_leaver(person: Person, stripe: Sandbox, path: str) -> None:
    """Their token may be good for a second more; what it began would be billed for ever."""
    mirror_user(person.id)
    User.objects.update(is_active=False)

    answer = person.post(path, {"subscription_product": "basic_subscription"} | card())

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert stripe.customers_of(person.id) == []
    assert not SubscribeAttempt.objects.exists()


def test_whoever_never_subscribed_can_go_at_once(person: Person) -> None:
    """There is nothing to settle, and nothing is left to say that they were here."""
    cancel_everything_for(person.id)

    assert not Customer.objects.exists()

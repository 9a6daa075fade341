"""Paid periods that ended without any news from Stripe."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.models import Subscription
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from worker.tasks import sweep_periods

DAY = timedelta(days=1)


@pytest.fixture
def subscriber(person: Person) -> Person:
    """Someone whose subscription is renewed at Stripe, while our row has not heard of it."""
    assert person.subscribe().status_code == 200
    return person


def _period_ended(person: Person, *, days_ago: int) -> None:
    then = timezone.now() - days_ago * DAY
    Subscription.objects.filter(user_id=person.id).update(
        current_period_end=then, access_until=then, synced_at=then - 30 * DAY
    )


def test_a_renewal_without_an_event_is_noticed(subscriber: Person) -> None:
    """The worker looks at Stripe by itself, and the next period is shown."""
    before = subscriber.status()["current_period_end"]
    _period_ended(subscriber, days_ago=60)

    sweep_periods(timestamp=0)

    assert subscriber.status()["current_period_end"] == before
    assert subscriber.words() == ("successful", "active")


def test_an_end_without_an_event_is_noticed(subscriber: Person, stripe: Sandbox) -> None:
    """Access goes with the subscription."""
    (subscription,) = stripe.subscriptions_of(subscriber.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    _period_ended(subscriber, days_ago=1)

    sweep_periods(timestamp=0)

    assert subscriber.words() == ("canceled", "canceled")


@pytest.mark.parametrize(("days_ago", "products"), [(2, ["basic_subscription"]), (4, [])])
def test_access_outlasts_an_outage_of_stripe_for_some_days(
    subscriber: Person, stripe: Sandbox, days_ago: int, products: list[str]
) -> None:
    """STALE_ACCESS_DAYS after the period's end it is over, for every caller alike."""
    _period_ended(subscriber, days_ago=days_ago)

    with stripe.fault(effect="error", status=503, path="/v1/*"):
        sweep_periods(timestamp=0)
        body = subscriber.get("entitlements").json()
        status = subscriber.words()

    assert body["products"] == products
    assert status == ("successful" if products else "failed", "active")


def test_a_cancelled_subscription_has_no_days_beyond_its_end(subscriber: Person) -> None:
    """Nothing is to be renewed, so there is no news to wait for."""
    _period_ended(subscriber, days_ago=1)
    rows = Subscription.objects.filter(user_id=subscriber.id)
    rows.update(cancel_at=timezone.now() - DAY)

    assert subscriber.get("entitlements").json()["products"] == []

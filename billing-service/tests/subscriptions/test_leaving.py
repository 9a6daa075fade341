"""What is settled at Stripe before a user is deleted."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.customers import cancel_everything_for
from subscriptions.errors import AttemptInProgress, PaymentGatewayUnavailable
from subscriptions.models import Customer, SubscribeAttempt
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person, card
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
    """There is nothing to settle."""
    cancel_everything_for(person.id)

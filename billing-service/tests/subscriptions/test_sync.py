"""Looks at Stripe that end late: what a later look has seen is never undone."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from subscriptions.models import Customer, PaymentMethod
from subscriptions.sync import writer
from subscriptions.sync.customer_rows import lock_row, mark_deleted
from subscriptions.sync.writer import StripeSnapshot
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person


def write(snapshot: StripeSnapshot) -> None:
    """Write a look, however late."""
    with transaction.atomic():
        row = lock_row(Customer.objects.get(stripe_customer_id=snapshot.stripe_customer_id))
        writer.write(row, snapshot, cause="late")


@pytest.fixture
def late(person: Person, stripe: Sandbox) -> StripeSnapshot:
    """A look that found `active`, written only when a webhook has reported the cancellation."""
    assert person.subscribe().status_code == 200
    (subscription,) = stripe.subscriptions_of(person.id)
    found = writer.look(subscription["customer"], everything=True)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    person.hear_from_stripe()
    return found


def test_a_look_that_began_earlier_is_not_written_after_a_later_one(
    person: Person, late: StripeSnapshot
) -> None:
    """It would bring a cancelled subscription back to life."""
    write(late)

    assert person.words() == ("canceled", "canceled")


def test_many_looks_at_once_end_in_what_stripe_says(person: Person, stripe: Sandbox) -> None:
    """Under a burst of events none of them has to begin again, and the last one counts."""
    assert person.subscribe().status_code == 200
    (subscription,) = stripe.subscriptions_of(person.id)

    def look(number: int) -> None:
        stripe.post(f"/v1/subscriptions/{subscription['id']}", **{"metadata[note]": number})
        if number == 11:
            stripe.delete(f"/v1/subscriptions/{subscription['id']}")
        writer.refresh_customer(subscription["customer"], cause="burst")
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(look, range(12)))

    assert person.words() == ("canceled", "canceled")


def test_what_a_look_does_not_find_is_left_alone(person: Person, stripe: Sandbox) -> None:
    """A subscription and a card that were made while it looked are missing in what it found."""
    assert person.post("setup-intent").status_code == 200
    (customer,) = stripe.customers_of(person.id)
    before = writer.look(customer["id"], everything=True)
    assert person.subscribe().status_code == 200

    write(before)

    assert person.words() == ("successful", "active")
    assert PaymentMethod.objects.get().detached_at is None


def test_another_customers_subscription_is_not_written_here(
    person: Person, stripe: Sandbox
) -> None:
    """A user with two customers at Stripe does not get the state of one for the other's."""
    assert person.subscribe().status_code == 200
    other = Person(stripe)
    assert other.subscribe(product="pro_subscription").status_code == 200
    (theirs,) = stripe.customers_of(other.id)
    found = writer.look(theirs["id"], everything=True)

    with transaction.atomic():
        writer.write(lock_row(Customer.objects.get(user_id=person.id)), found, cause="x")

    assert person.status()["price_reference"] == "price_sandbox_basic"
    assert other.status()["price_reference"] == "price_sandbox_pro"


def test_a_customer_that_was_marked_deleted_by_mistake_heals(
    person: Person, stripe: Sandbox
) -> None:
    """One event is enough."""
    assert person.subscribe().status_code == 200
    with transaction.atomic():
        mark_deleted(lock_row(Customer.objects.get()), cause="a mistake of an earlier version")
    assert person.words() == ("canceled", "canceled")
    (subscription,) = stripe.subscriptions_of(person.id)

    stripe.post(f"/v1/subscriptions/{subscription['id']}", **{"metadata[note]": "news"})
    person.hear_from_stripe()

    assert Customer.objects.get().deleted_at is None
    assert person.words() == ("successful", "active")


def test_a_customer_that_was_marked_deleted_by_mistake_is_not_billed_twice(
    person: Person, stripe: Sandbox
) -> None:
    """The user subscribes before any event: the customer is looked for before another is made."""
    assert person.subscribe().status_code == 200
    with transaction.atomic():
        mark_deleted(lock_row(Customer.objects.get()), cause="a mistake of an earlier version")

    answer = person.subscribe()

    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    assert len(stripe.customers_of(person.id)) == 1
    assert len(stripe.charges_of(person.id)) == 1
    assert person.words() == ("successful", "active")

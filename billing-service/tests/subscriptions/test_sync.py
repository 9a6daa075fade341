"""Answers of Stripe that arrive late or twice."""

import pytest

from subscriptions.models import Customer
from subscriptions.stripe_gateway.subscriptions import fetch_subscriptions_of
from subscriptions.sync import writer
from subscriptions.sync.writer import Overtaken, Truth
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person


@pytest.fixture
def late(person: Person, stripe: Sandbox) -> tuple[Customer, Truth]:
    """An answer that says `active`, kept back until a webhook has reported the cancellation."""
    assert person.subscribe().status_code == 200
    customer = Customer.objects.get()
    found = fetch_subscriptions_of(customer.stripe_customer_id or "")
    stripe.delete(f"/v1/subscriptions/{found[0].id}")
    person.hear_from_stripe()
    return customer, Truth(subscriptions=found)


def test_an_overtaken_answer_is_not_written(person: Person, late: tuple[Customer, Truth]) -> None:
    """It would bring a cancelled subscription back to life."""
    customer, truth = late

    with pytest.raises(Overtaken):
        writer.write(customer, truth=truth, cause="late")

    assert person.words() == ("canceled", "canceled")


def test_an_overtaken_answer_is_asked_for_again(
    person: Person, late: tuple[Customer, Truth]
) -> None:
    """What Stripe says now is written instead, with whatever belongs to the write."""
    customer, truth = late
    written: list[str] = []

    writer.save_answer(customer, truth=truth, cause="late", also=lambda: written.append("also"))

    assert person.words() == ("canceled", "canceled")
    assert written == ["also"]


def test_another_customers_subscription_is_not_written_here(
    person: Person, stripe: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A user with two customers at Stripe is not told that the one's state is the other's."""
    assert person.subscribe().status_code == 200
    other = Person(stripe)
    assert other.subscribe(product="pro_subscription").status_code == 200
    (theirs,) = stripe.customers_of(other.id)
    found = fetch_subscriptions_of(theirs["id"])

    writer.write(
        Customer.objects.get(user_id=person.id), truth=Truth(subscriptions=found), cause="x"
    )

    assert person.status()["price_reference"] == "price_sandbox_basic"
    assert other.status()["price_reference"] == "price_sandbox_pro"
    assert "An answer about another customer was not written" in caplog.messages


def test_an_answer_that_tells_nothing_new_is_no_conflict(person: Person) -> None:
    """The webhook was faster and wrote just the same: no further call is needed."""
    before = Customer(user_id=person.id, sync_version=0)
    assert person.subscribe().status_code == 200
    row = Customer.objects.get()
    before.pk = row.pk
    found = fetch_subscriptions_of(row.stripe_customer_id or "")

    writer.write(before, truth=Truth(subscriptions=found), cause="same")

    assert Customer.objects.get().sync_version == row.sync_version + 1
    assert person.words() == ("successful", "active")

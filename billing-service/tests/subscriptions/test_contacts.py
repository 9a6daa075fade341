"""What Stripe knows about a user, for its receipts and reminders."""

from typing import Any

import pytest

from subscriptions.models import Customer
from tests.auth_stand_in import AuthStandIn
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.feed import apply_user_changes
from users.mirror import anonymise
from worker.tasks import sweep_contacts


@pytest.fixture
def ada(stripe: Sandbox, auth_service: AuthStandIn) -> Person:
    """A user whom the feed has brought, with an e-mail address."""
    user_id = auth_service.add_user("ada", email="ada@example.com")
    apply_user_changes()
    return Person(stripe, user_id=user_id)


def at_stripe(person: Person) -> tuple[Any, Any]:
    """Return the name and the e-mail address that Stripe has."""
    (customer,) = person.stripe.customers_of(person.id)
    return customer["name"], customer["email"]


def calls_of_a_sweep(person: Person) -> int:
    """Return how many changes of customers a sweep causes at Stripe."""
    person.stripe.forget_events()
    sweep_contacts(timestamp=0)
    return sum(each["type"] == "customer.updated" for each in person.stripe.new_events())


def test_a_new_customer_has_the_name_and_address_of_its_user(ada: Person) -> None:
    """At once, so that the first receipt has an addressee."""
    assert ada.subscribe().status_code == 200

    assert at_stripe(ada) == ("ada", "ada@example.com")
    assert calls_of_a_sweep(ada) == 0


def test_a_change_of_address_reaches_stripe(ada: Person, auth_service: AuthStandIn) -> None:
    """Once; and an address that is taken away is taken away there."""
    assert ada.subscribe().status_code == 200
    auth_service.change_user(ada.id, username="countess", email="countess@example.com")
    apply_user_changes()

    assert calls_of_a_sweep(ada) == 1
    assert at_stripe(ada) == ("countess", "countess@example.com")
    assert calls_of_a_sweep(ada) == 0

    auth_service.change_user(ada.id, email="")
    apply_user_changes()
    sweep_contacts(timestamp=0)
    assert at_stripe(ada) == ("countess", None)


def test_customers_of_earlier_versions_are_named(ada: Person) -> None:
    """They were made with metadata alone."""
    assert ada.subscribe().status_code == 200
    (customer,) = ada.stripe.customers_of(ada.id)
    ada.stripe.post(f"/v1/customers/{customer['id']}", name="", email="")
    Customer.objects.update(name_at_stripe="", email_at_stripe="")

    sweep_contacts(timestamp=0)

    assert at_stripe(ada) == ("ada", "ada@example.com")


def test_a_user_whom_the_feed_has_not_brought_has_no_name_at_stripe(
    person: Person, auth_service: AuthStandIn
) -> None:
    """A name of ours that stands in for the unknown one never leaves the service."""
    assert person.subscribe().status_code == 200
    sweep_contacts(timestamp=0)
    assert at_stripe(person) == (None, None)

    auth_service.add_user("bob", id=str(person.id))
    apply_user_changes()
    sweep_contacts(timestamp=0)

    assert at_stripe(person) == ("bob", None)


def test_an_address_that_staff_entered_stays_where_the_user_has_none(
    stripe: Sandbox, auth_service: AuthStandIn
) -> None:
    """Stripe's checkout page asks for one as well."""
    user_id = auth_service.add_user("eve")
    apply_user_changes()
    eve = Person(stripe, user_id=user_id)
    assert eve.subscribe().status_code == 200
    (customer,) = stripe.customers_of(eve.id)
    stripe.post(f"/v1/customers/{customer['id']}", email="eve@example.com")

    auth_service.change_user(user_id, username="eva")
    apply_user_changes()
    sweep_contacts(timestamp=0)

    assert at_stripe(eve) == ("eva", "eve@example.com")


def test_an_outage_of_stripe_delays_a_change_and_loses_none(
    ada: Person, auth_service: AuthStandIn
) -> None:
    """The next sweep sends it."""
    assert ada.subscribe().status_code == 200
    auth_service.change_user(ada.id, email="new@example.com")
    apply_user_changes()
    with ada.stripe.fault(effect="error", status=503, path="/v1/*"):
        sweep_contacts(timestamp=0)

    sweep_contacts(timestamp=0)

    assert at_stripe(ada) == ("ada", "new@example.com")


def test_a_user_who_was_deleted_leaves_no_name_behind(ada: Person) -> None:
    """Neither at the customer's row, nor sent to Stripe again."""
    assert ada.subscribe().status_code == 200
    (customer,) = ada.stripe.customers_of(ada.id)
    anonymise(ada.id)
    assert calls_of_a_sweep(ada) == 0
    ada.stripe.delete(f"/v1/customers/{customer['id']}")

    ada.hear_from_stripe()

    row = Customer.objects.get(user_id=ada.id)
    assert (row.name_at_stripe, row.email_at_stripe) == ("", "")

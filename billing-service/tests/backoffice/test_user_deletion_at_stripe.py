"""What a deletion does at Stripe and to our rows about cards and subscriptions."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from backoffice.user_deletion import finish_deletion
from subscriptions.errors import AttemptInProgress, PaymentGatewayUnavailable
from subscriptions.models import (
    CardFailure,
    Customer,
    PaymentMethod,
    SubscribeAttempt,
    Subscription,
)
from subscriptions.sync.customer_rows import lock_customer
from tests.auth_stand_in import AuthStandIn
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, Person, card
from users.mirror import mirror_user
from users.models import User


@pytest.fixture
def person(person: Person, auth_service: AuthStandIn) -> Person:
    """One whose account auth-service knows."""
    user_id = auth_service.add_user("alice")
    return Person(person.stripe, user_id=user_id)


def _delete(person: Person) -> None:
    mirror_user(person.id)
    finish_deletion(person.id)


def test_a_deleted_user_is_not_billed_any_more(person: Person, stripe: Sandbox) -> None:
    """The subscription ends and Stripe forgets the person; doing it twice is harmless."""
    assert person.subscribe().status_code == 200

    _delete(person)
    _delete(person)

    assert stripe.customers_of(person.id) == []
    assert Subscription.objects.get().stripe_status == "canceled"
    assert Customer.objects.get().deleted_at is not None


def test_with_stripe_unavailable_nothing_is_assumed(person: Person, stripe: Sandbox) -> None:
    """Nothing is assumed to be cancelled that Stripe has not confirmed."""
    assert person.subscribe().status_code == 200

    with stripe.fault(effect="error", status=500), pytest.raises(PaymentGatewayUnavailable):
        _delete(person)

    assert Subscription.objects.get().stripe_status == "active"
    assert Customer.objects.get().deleted_at is None


def test_an_attempt_in_progress_is_waited_for(person: Person) -> None:
    """Otherwise it would start to bill a deleted user."""
    assert person.subscribe().status_code == 200
    SubscribeAttempt.objects.update(
        state="open", leased_until=timezone.now() + timedelta(seconds=20)
    )

    with pytest.raises(AttemptInProgress):
        _delete(person)


def test_personal_data_of_a_deleted_user_is_removed(person: Person) -> None:
    """IP addresses and card details are removed; what was billed stays."""
    person.subscribe(DECLINED, **{"X-Forwarded-For": "203.0.113.9"})
    person.subscribe(**{"X-Forwarded-For": "203.0.113.9"})
    assert SubscribeAttempt.objects.exclude(source=None).count() == 2

    _delete(person)

    assert not SubscribeAttempt.objects.exclude(source=None).exists()
    assert not CardFailure.objects.exists()
    (kept,) = PaymentMethod.objects.values_list("brand", "last4", "exp_month", "fingerprint")
    assert kept == ("", "", None, "")
    assert Subscription.objects.get().stripe_status == "canceled"


def test_an_attempt_that_begins_at_that_moment_is_seen(person: Person) -> None:
    """It holds the customer's row and is not committed yet; the deletion waits for the commit."""
    assert person.subscribe(DECLINED).status_code == 400
    pool = ThreadPoolExecutor()
    with transaction.atomic():
        lock_customer(person.id)
        SubscribeAttempt.objects.update(
            state="open", leased_until=timezone.now() + timedelta(seconds=20)
        )
        deletion = pool.submit(_delete_in_thread, person)
        with pytest.raises(TimeoutError):
            deletion.result(timeout=0.5)

    with pytest.raises(AttemptInProgress):
        deletion.result()
    pool.shutdown()


def _delete_in_thread(person: Person) -> None:
    try:
        _delete(person)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [("subscribe", {"subscription_product": "basic_subscription"} | card()), ("setup-intent", {})],
)
def test_nothing_begins_for_a_deactivated_user(
    person: Person, stripe: Sandbox, path: str, body: dict[str, Any]
) -> None:
    """Their token may be good for a second more; what it began would be billed forever."""
    mirror_user(person.id)
    User.objects.update(is_active=False)

    answer = person.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert stripe.customers_of(person.id) == []
    assert not SubscribeAttempt.objects.exists()


def test_a_user_who_never_subscribed_is_deleted_at_once(person: Person) -> None:
    """There is nothing to end at Stripe, and no customer row is left behind."""
    _delete(person)

    assert not Customer.objects.exists()


def _other_price(stripe: Sandbox) -> str:
    product = stripe.post("/v1/products", name="Of another shop")
    price = {"product": product["id"], "currency": "usd", "unit_amount": 500}
    made = stripe.post("/v1/prices", **price, **{"recurring[interval]": "month"})
    return str(made["id"])


def test_the_customer_of_another_application_outlives_the_user_it_was_taken_for(
    stripe: Sandbox,
) -> None:
    """An earlier version took any customer with a UUID in user_id for one of ours."""
    stranger = uuid4()
    mirror_user(stranger)
    theirs = stripe.post("/v1/customers", **{"metadata[user_id]": str(stranger)})
    Customer.objects.create(user_id=stranger, stripe_customer_id=theirs["id"])

    finish_deletion(stranger)

    assert "deleted" not in stripe.get(f"/v1/customers/{theirs['id']}")
    assert User.objects.get().anonymised_at is not None
    assert not Customer.objects.exclude(stripe_customer_id=None).exists()


def test_another_products_subscription_outlives_the_user(person: Person, stripe: Sandbox) -> None:
    """Ours ends; the customer stays for the other, and is no longer taken for the user's."""
    assert person.subscribe().status_code == 200
    person.hear_from_stripe()
    (customer,) = stripe.customers_of(person.id)
    price = {"items[0][price]": _other_price(stripe)}
    theirs = stripe.post("/v1/subscriptions", customer=customer["id"], **price)
    person.hear_from_stripe()

    _delete(person)
    person.hear_from_stripe()

    assert stripe.get(f"/v1/subscriptions/{theirs['id']}")["status"] == "active"
    found = stripe.all("/v1/subscriptions", customer=customer["id"], status="all")
    assert {each["status"] for each in found if each["id"] != theirs["id"]} == {"canceled"}
    assert stripe.customers_of(person.id) == []
    assert User.objects.get().anonymised_at is not None
    assert [each.stripe_status for each in Subscription.objects.all()] == ["canceled"]


def test_staff_cannot_delete_a_customer_whom_another_application_bills(
    person: Person, stripe: Sandbox, staff_client: Client
) -> None:
    """Its subscription would end with the customer; the page says where to do it on purpose."""
    assert person.subscribe().status_code == 200
    row = Customer.objects.get()
    price = {"items[0][price]": _other_price(stripe)}
    person.hear_from_stripe()
    stripe.post("/v1/subscriptions", customer=row.stripe_customer_id, **price)

    page = staff_client.post(
        f"/admin/subscriptions/customer/{row.pk}/delete/", {"post": "yes"}, follow=True
    ).content.decode()

    assert "was not deleted" in page
    assert "has a subscription of one" in page
    assert person.words() == ("successful", "active")
    assert len(stripe.all("/v1/subscriptions", customer=row.stripe_customer_id)) == 2

"""An attempt that an earlier version left open: it made the customer together with its card."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.models import Customer, SubscribeAttempt
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.mirror import mirror_user
from worker.tasks import sweep_attempts


@pytest.fixture
def left(stripe: Sandbox) -> Person:
    """Someone whose process died after its first call at Stripe, before the upgrade."""
    person = Person(stripe)
    mirror_user(person.id)
    row = Customer.objects.create(user_id=person.id)
    SubscribeAttempt.objects.create(
        user_id=person.id,
        customer=row,
        product_name="basic_subscription",
        price_reference="price_sandbox_basic",
        payment_method_reference="pm_card_visa",
        leased_until=timezone.now() - timedelta(minutes=2),
    )
    return person


def _version_1_0_made_the_customer(person: Person) -> dict[str, str]:
    metadata = {
        "metadata[attempt]": str(SubscribeAttempt.objects.get(user_id=person.id).pk),
        "metadata[user_id]": str(person.id),
    }
    made = person.stripe.post(
        "/v1/customers",
        **{
            "payment_method": "pm_card_visa",
            "invoice_settings[default_payment_method]": "pm_card_visa",
        }
        | metadata,
    )
    return {"customer": made["id"]} | metadata


def test_what_it_charged_is_found(left: Person) -> None:
    """The subscription is adopted, and the user is not charged again."""
    made = _version_1_0_made_the_customer(left)
    left.stripe.post("/v1/subscriptions", **{"items[0][price]": "price_sandbox_basic"} | made)

    sweep_attempts(timestamp=0)

    assert left.words() == ("successful", "active")
    assert SubscribeAttempt.objects.get().state == "succeeded"
    assert len(left.stripe.charges_of(left.id)) == 1
    assert len(left.stripe.customers_of(left.id)) == 1


@pytest.mark.parametrize("made", [True, False], ids=["with its customer", "without"])
def test_what_it_did_not_charge_is_not_charged_later(left: Person, *, made: bool) -> None:
    """The attempt ends, and the user subscribes again, as the same customer."""
    if made:
        _version_1_0_made_the_customer(left)
    SubscribeAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=6))

    sweep_attempts(timestamp=0)

    assert SubscribeAttempt.objects.get().state == "failed"
    assert left.stripe.charges_of(left.id) == []
    assert left.subscribe().status_code == 200
    assert len(left.stripe.customers_of(left.id)) == 1

"""Stripe's lists have pages of a hundred; what is on the second one counts as well."""

from dataclasses import replace

import pytest
from django.conf import settings

from subscriptions.models import PaymentMethod
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person

_MORE_THAN_A_PAGE = 101


def test_the_card_that_pays_is_kept_however_many_came_after_it(
    person: Person, stripe: Sandbox
) -> None:
    """Someone whose browser saved a new card each time."""
    assert person.subscribe().status_code == 200
    (customer,) = stripe.customers_of(person.id)
    (subscription,) = stripe.subscriptions_of(person.id)
    for _ in range(_MORE_THAN_A_PAGE):
        stripe.post("/v1/payment_methods/pm_card_mastercard/attach", customer=customer["id"])

    person.hear_from_stripe()

    cards = PaymentMethod.objects.filter(detached_at=None)
    assert cards.count() == _MORE_THAN_A_PAGE + 1
    paying = PaymentMethod.objects.get(is_default=True)
    assert paying.stripe_payment_method_id == subscription["default_payment_method"]


def test_a_card_testers_oldest_setup_intent_is_ended_too(
    person: Person, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would let the browser try any number of further cards."""
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, card_failures_per_user=1))
    intent = person.post("setup-intent").json()["setup_intent"]
    (customer,) = stripe.customers_of(person.id)
    for _ in range(_MORE_THAN_A_PAGE):
        stripe.post("/v1/setup_intents", customer=customer["id"])

    stripe.refuse_setup(intent, "pm_card_visa_chargeDeclined")
    person.hear_from_stripe()

    assert stripe.get(f"/v1/setup_intents/{intent}")["status"] == "canceled"

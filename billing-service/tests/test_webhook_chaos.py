"""Whatever happens to deliveries on their way, our rows end up as Stripe's."""

import os
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from subscriptions.models import Subscription, SubscriptionItem
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox, key_of, started_sandbox
from users.mirror import mirror_user
from webhooks.models import WebhookEvent

# A larger run: CHAOS_SUBSCRIPTIONS=1000 pytest tests/test_webhook_chaos.py
_SUBSCRIPTIONS = int(os.environ.get("CHAOS_SUBSCRIPTIONS", "15"))
_SEED = int(os.environ.get("CHAOS_SEED", "20261123"))
_DROPPED = 0.05
_ROUNDS = 3


class Life:
    """One user's doings at Stripe, behind our back."""

    def __init__(self, stripe: Sandbox, chance: Random) -> None:
        self.user_id = uuid.UUID(int=chance.getrandbits(128), version=4)
        mirror_user(self.user_id)
        self._stripe, self._chance = stripe, chance
        self._customer = stripe.post(
            "/v1/customers",
            **{
                "payment_method": "pm_card_visa",
                "invoice_settings[default_payment_method]": "pm_card_visa",
                "metadata[billing_service_user_id]": str(self.user_id),
            },
        )["id"]
        self._subscription = self._begin()

    def go_on(self) -> None:
        """Let something happen."""
        steps: list[Callable[[], Any]] = [
            self._change_price,
            self._end_with_the_period,
            self._replace,
            self._other_card,
            self._end_on_a_day,
            self._refund,
            self._add_item,
            self._other_quantity,
            self._discount,
            self._subscribe_elsewhere,
        ]
        self._chance.choice(steps)()

    def _begin(self) -> dict[str, Any]:
        return self._stripe.post(
            "/v1/subscriptions",
            **{"customer": self._customer, "items[0][price]": "price_sandbox_basic"},
        )

    def _change_price(self) -> None:
        item = self._subscription["items"]["data"][0]["id"]
        price = self._chance.choice(["price_sandbox_basic", "price_sandbox_pro"])
        self._update(**{"items[0][id]": item, "items[0][price]": price})

    def _end_with_the_period(self) -> None:
        self._update(cancel_at_period_end=self._chance.choice(["true", "false"]))

    def _replace(self) -> None:
        self._stripe.delete(f"/v1/subscriptions/{self._subscription['id']}")
        self._subscription = self._begin()

    def _other_card(self) -> None:
        card = self._stripe.post(
            "/v1/payment_methods/pm_card_mastercard/attach", customer=self._customer
        )
        self._stripe.post(
            f"/v1/customers/{self._customer}",
            **{"invoice_settings[default_payment_method]": card["id"]},
        )

    def _end_on_a_day(self) -> None:
        """As Stripe's portal ends a subscription, and as the user takes it back there."""
        self._update(cancel_at=int(time.time()) + 86400)
        if self._chance.random() < 0.5:
            self._update(cancel_at="")

    def _refund(self) -> None:
        for charge in self._stripe.all("/v1/charges", customer=self._customer)[:1]:
            if not charge["refunded"]:
                self._stripe.post("/v1/refunds", charge=charge["id"], amount=1)

    def _other_quantity(self) -> None:
        item = self._subscription["items"]["data"][0]["id"]
        self._update(
            **{"items[0][id]": item, "items[0][quantity]": self._chance.randint(2, 5)},
        )

    def _discount(self) -> None:
        coupon = self._stripe.post("/v1/coupons", percent_off=25, duration="forever")["id"]
        self._update(**{"discounts[0][coupon]": coupon})

    def _add_item(self) -> None:
        """Another product on the same subscription."""
        self._update(**{"items[0][price]": self._foreign_price()})

    def _subscribe_elsewhere(self) -> None:
        """Another product's subscription, of the same customer in the same account."""
        self._stripe.post(
            "/v1/subscriptions",
            **{"customer": self._customer, "items[0][price]": self._foreign_price()},
        )

    def _foreign_price(self) -> str:
        price = self._stripe.post(
            "/v1/prices",
            **{
                "currency": "usd",
                "unit_amount": 300,
                "recurring[interval]": "month",
                "product_data[name]": "Another product",
            },
        )
        return str(price["id"])

    def _update(self, **form: Any) -> None:
        self._stripe.post(f"/v1/subscriptions/{self._subscription['id']}", **form)


def test_duplicated_shuffled_and_dropped_deliveries_end_in_stripes_state(
    stripe: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event 1 to 5 times in any order, 5 % dropped and backfilled: no drift, no 5xx.

    After the first round the worker has another account's key for a while.
    """
    with started_sandbox() as other:
        _live_and_compare(stripe, other, capsys=capsys)
        assert other.all("/v1/customers") == []


def _live_and_compare(
    stripe: Sandbox, other: Sandbox, *, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = Random(_SEED)
    for customer in stripe.all("/v1/customers"):
        stripe.delete(f"/v1/customers/{customer['id']}")
    stripe.forget_events()
    lives = [Life(stripe, chance) for _ in range(_SUBSCRIPTIONS)]
    client, delivered, dropped, oldest = Client(), 0, 0, 0
    for number in range(_ROUNDS):
        began = timezone.now()
        for life in lives:
            life.go_on()
        events = stripe.new_events()
        oldest = oldest or events[0]["created"]
        kept = [event for event in events if chance.random() >= _DROPPED]
        dropped += len(events) - len(kept)
        copies = [event for event in kept for _ in range(chance.randint(1, 5))]
        chance.shuffle(copies)
        delivered += len(copies)
        assert {deliver(event, client=client).status_code for event in copies} == {200}
        if number > 0:
            # Before the first customer, a database belongs to the account of any key.
            _process_with_the_key_of(other, since=began)
        process_events()

    assert dropped > 0
    call_command("webhooks", "backfill", "--since", _moment(oldest), stdout=StringIO())
    process_events()

    out = StringIO()
    call_command("stripe_reconcile", "--dry-run", stdout=out, stderr=StringIO())
    assert not WebhookEvent.objects.filter(state__in=("pending", "dead")).exists()
    current = Subscription.objects.filter(is_current=True, stripe_status="active")
    assert current.count() == len(lives)
    assert not current.filter(is_ours=False).exists()
    assert Subscription.objects.filter(is_ours=False).exists()
    assert SubscriptionItem.objects.filter(subscription__in=current).count() > len(lives)
    assert SubscriptionItem.objects.filter(subscription__in=current, quantity__gt=1).exists()
    assert SubscriptionItem.objects.exclude(discounts=[]).exists()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(lives)} lives, {delivered} deliveries, {dropped} events dropped and "
            f"backfilled: {out.getvalue().splitlines()[-1]}\n"
        )


def _process_with_the_key_of(other: Sandbox, *, since: datetime) -> None:
    """Nothing is touched with that key, and the events wait."""
    before = list(Subscription.objects.order_by("pk").values())
    with key_of(other):
        process_events()
    # An event about a price that is not ours needs no call.
    of_customers = WebhookEvent.objects.filter(subject__startswith="cus_", received_at__gt=since)
    assert not of_customers.filter(state="handled").exists()
    assert list(Subscription.objects.order_by("pk").values()) == before
    WebhookEvent.objects.filter(state="pending").update(next_attempt_at=timezone.now())


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()

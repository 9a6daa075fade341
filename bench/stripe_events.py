"""Signed webhook deliveries, as many as a run wants."""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.load import request_bytes
from bench.setting import STRIPE_VERSION, WEBHOOK_SECRET

_EVENT_ID = "evt_bench_placeholder"
_numbers = itertools.count()


class EventTemplate:
    """A `customer.subscription.updated` about one subscription; each copy has an id of its own."""

    def __init__(self, subscription: Mapping[str, Any]) -> None:
        event = {
            "id": _EVENT_ID,
            "object": "event",
            "api_version": STRIPE_VERSION,
            "created": int(time.time()),
            "data": {
                "object": subscription,
                "previous_attributes": {"cancel_at_period_end": True},
            },
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": "req_bench", "idempotency_key": None},
            "type": "customer.subscription.updated",
        }
        self._customer = str(subscription["customer"]).encode()
        self._body = json.dumps(event).encode()

    def of_its_customer(self) -> bytes:
        """Return the body of another event about the same subscription."""
        return self._body.replace(_EVENT_ID.encode(), b"evt_bench%d" % next(_numbers), 1)

    def of_a_new_customer(self) -> bytes:
        """Return the body of an event whose customer no other event names."""
        number = next(_numbers)
        body = self._body.replace(_EVENT_ID.encode(), b"evt_bench%d" % number, 1)
        return body.replace(self._customer, b"cus_bench%d" % number)


def deliveries(path: str, bodies: Iterator[bytes]) -> Iterator[bytes]:
    """Sign bodies as Stripe does at the moment each is sent."""
    key = WEBHOOK_SECRET.encode()
    for body in bodies:
        moment = int(time.time())
        digest = hmac.new(key, b"%d." % moment + body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={moment},v1={digest}",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        yield request_bytes("POST", path, headers=headers, body=body)


def of_new_customers(template: EventTemplate) -> Iterator[bytes]:
    """Make events without end, each of another customer."""
    while True:
        yield template.of_a_new_customer()


def round_robin(templates: Sequence[EventTemplate]) -> Iterator[bytes]:
    """Make events without end, of each template in turn."""
    for template in itertools.cycle(templates):
        yield template.of_its_customer()

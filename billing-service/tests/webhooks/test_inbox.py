"""What the endpoint accepts, stores and hands to the worker."""

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.delivery import PATH, SECRET, deliver, signature
from webhooks.inbox import INTERRUPTED
from webhooks.models import WebhookEvent
from webhooks.process import process_next

pytestmark = pytest.mark.django_db


def event(event_id: str = "evt_1", **changes: Any) -> dict[str, Any]:
    """Return an event as Stripe sends it."""
    return {
        "id": event_id,
        "object": "event",
        "type": "customer.subscription.updated",
        "created": 1_790_000_000,
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_1"}},
        "request": {"id": "req_1", "idempotency_key": "attempt:1:subscription"},
    } | changes


def post(body: bytes, header: str | None) -> int:
    """Post raw bytes under a signature header; return the status."""
    headers = {} if header is None else {"Stripe-Signature": header}
    answer = Client().post(PATH, data=body, content_type="application/json", headers=headers)
    return int(answer.status_code)


def test_a_signed_event_is_stored_and_due() -> None:
    """One row, which is the whole queue."""
    assert deliver(event()).json() == {"received": True}

    stored = WebhookEvent.objects.get()
    assert (stored.id, stored.subject, stored.object_id) == ("evt_1", "cus_1", "sub_1")
    assert (stored.request_id, stored.idempotency_key) == ("req_1", "attempt:1:subscription")
    assert (stored.state, stored.failures) == ("pending", 0)
    assert stored.next_attempt_at <= timezone.now()


@pytest.mark.django_db(transaction=True)
def test_storing_an_event_notifies_no_process() -> None:
    """A notification would make all deliveries of a burst wait for each other's commits."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN procrastinate_any_queue_v1")

    deliver(event())

    with connection.cursor() as cursor:
        cursor.execute("NOTIFY procrastinate_any_queue_v1, 'the first'")
    (heard,) = connection.connection.notifies(stop_after=1, timeout=5)
    connection.connection.execute("UNLISTEN *")
    assert heard.payload == "the first"


def test_a_redelivered_event_is_stored_once() -> None:
    """Stripe delivers at least once; the second delivery changes nothing."""
    assert [deliver(event()).status_code for _ in range(3)] == [200, 200, 200]

    assert WebhookEvent.objects.count() == 1


def test_fresh_news_ends_the_pause_between_attempts() -> None:
    """What stopped the earlier attempts may be over; an event that is being processed is left."""
    later = timezone.now() + timedelta(hours=1)
    for event_id, error in (
        ("evt_failed", "payment_gateway_unavailable"),
        ("evt_taken", INTERRUPTED),
    ):
        deliver(event(event_id))
        WebhookEvent.objects.filter(id=event_id).update(next_attempt_at=later, last_error=error)

    deliver(event("evt_fresh"))

    due = WebhookEvent.objects.filter(next_attempt_at__lte=timezone.now())
    assert set(due.values_list("id", flat=True)) == {"evt_failed", "evt_fresh"}


def test_an_event_of_another_type_is_kept_and_ignored() -> None:
    """A new event type is no reason for Stripe to try again for three days."""
    assert deliver(event(type="radar.early_fraud_warning.created")).status_code == 200

    assert WebhookEvent.objects.get().state == "ignored"
    assert not process_next()


def test_a_detached_card_is_news_about_its_former_customer() -> None:
    """The object itself no longer says whose it was."""
    gone = {
        "object": {"id": "pm_1", "object": "payment_method", "customer": None},
        "previous_attributes": {"customer": "cus_9"},
    }
    deliver(event(type="payment_method.detached", data=gone))

    assert WebhookEvent.objects.get().subject == "cus_9"


BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        "t=,v1=",
        f"t={int(time.time())}",
        f"t=abc,v1={'0' * 64}",
        f"t=-1,v1={'0' * 64}",
        signature(BODY, secret="whsec_someone_else"),
        signature(BODY, at=time.time() - 301),
        signature(BODY + b" "),
        signature(BODY).replace("v1=", "v0="),
        signature(BODY)[:-1],
        f"t={int(time.time())},v1=\u00e9",
        f"t={'9' * 5000},v1={'0' * 64}",
    ],
)
def test_what_stripe_did_not_sign_lately_is_refused(header: str | None) -> None:
    """Forged, altered, replayed and malformed deliveries get 400 and leave nothing behind."""
    assert post(BODY, header) == 400

    assert WebhookEvent.objects.count() == 0


def test_the_secret_can_be_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one secret replaces another, deliveries signed with either are good."""
    two = replace(settings.BILLING, stripe_webhook_secrets=("whsec_new", SECRET))
    monkeypatch.setattr(settings, "BILLING", two)

    assert post(BODY, signature(BODY, secret="whsec_new")) == 200
    assert post(BODY, signature(BODY, secret=SECRET)) == 200
    assert post(BODY, f"{signature(BODY)},v1={'0' * 64}") == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"evt_1"',
        b"{}",
        b'{"id": "evt_1"}',
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(event()).encode("utf-16"),
        json.dumps(event()).encode("utf-32"),
        json.dumps(event()).encode("utf-8-sig"),
        json.dumps(event()).replace('"id": "evt_1"', '"id": "evt_1", "id": "evt_2"').encode(),
        json.dumps(event("\ud800")).encode(),
        b'{"id":"e","type":"customer.updated","created":"x","data":{"object":{}}}',
        b'{"id":"e","type":"customer.updated","created":1,"data":{"object":[]}}',
        json.dumps(event("evt_\0")).encode(),
        json.dumps(event("")).encode(),
        json.dumps(event("e" * 256)).encode(),
        json.dumps(event(type="t" * 101)).encode(),
        json.dumps(event(type=7)).encode(),
        json.dumps(event(created=10**40)).encode(),
        json.dumps(event(created=-1)).encode(),
        json.dumps(event(request="req_1")).encode(),
        json.dumps(event(data={"object": {"id": 5, "customer": {"id": [1]}}})).encode(),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    """A sender who has the secret still cannot make the endpoint fail."""
    assert post(body, signature(body)) == 400


def test_both_spellings_of_the_path_answer() -> None:
    """A redirect would lose the POST."""
    answer = Client().post(
        PATH.rstrip("/"),
        data=BODY,
        content_type="application/json",
        headers={"Stripe-Signature": signature(BODY)},
    )

    assert answer.status_code == 200


def test_only_post_is_understood() -> None:
    """A browser that opens the address learns that it is not for looking."""
    assert Client().get(PATH).status_code == 405

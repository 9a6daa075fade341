"""Handles the pending events of one subject: fetch what is true now, write it, tick them off."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from errors import BillingError
from subscriptions import catalogue, subscribe, sync
from webhooks.event_table import HANDLED, Fetch
from webhooks.inbox import enqueue_later
from webhooks.models import WebhookEvent

MAX_TRIES = 20
_FIRST_DELAY_SECONDS = 5
_LONGEST_DELAY_SECONDS = 3600

# Tries are counted before they are made, so that an event which kills its worker dies as well.
_BEGIN = """
UPDATE webhooks_webhookevent
SET failures = failures + 1, state = CASE WHEN failures >= %s THEN 'dead' ELSE state END
WHERE subject = %s AND state = 'pending'
RETURNING id, type, failures, state
"""


def settle(subject: str) -> None:
    """Bring our rows about a subject up to date and mark the events that asked for it.

    Args:
        subject: A customer's, product's or price's id.
    """
    events = _begin(subject)
    if not events:
        return
    try:
        _fetch(subject, types=[event_type for _, event_type, _ in events])
    except BillingError as refusal:
        _retry_later(subject, events=events, reason=f"{refusal.code}: {refusal.detail}")
    else:
        _tick_off([event_id for event_id, _, _ in events])


def _begin(subject: str) -> list[tuple[str, str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, (MAX_TRIES, subject))
        rows = cursor.fetchall()
    return [(event_id, kind, tries) for event_id, kind, tries, state in rows if state == "pending"]


def _fetch(subject: str, *, types: Iterable[str]) -> None:
    wanted = {HANDLED[event_type] for event_type in types}
    if Fetch.CATALOGUE in wanted:
        catalogue.refresh(subject)
        return
    customer = sync.refresh_customer(
        subject,
        cause=", ".join(sorted(set(types)))[:64],
        with_payment_methods=Fetch.CUSTOMER in wanted,
    )
    if customer is not None:
        subscribe.finish_stale(user_id=customer.user_id)


def _tick_off(event_ids: list[str]) -> None:
    WebhookEvent.objects.filter(id__in=event_ids).update(
        state=WebhookEvent.State.HANDLED, handled_at=timezone.now(), last_error=""
    )


def _retry_later(subject: str, *, events: list[tuple[str, str, int]], reason: str) -> None:
    WebhookEvent.objects.filter(id__in=[event_id for event_id, _, _ in events]).update(
        last_error=reason[:500]
    )
    fewest_tries = min(tries for _, _, tries in events)
    seconds = min(_FIRST_DELAY_SECONDS * 2 ** (fewest_tries - 1), _LONGEST_DELAY_SECONDS)
    enqueue_later(subject, delay=timedelta(seconds=seconds))

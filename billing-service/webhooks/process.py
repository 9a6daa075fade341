"""Handles the pending events of one subject: fetch what is true now, write it, tick them off."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from errors import BillingError
from subscriptions.catalogue import products
from subscriptions.managing import payment_methods
from subscriptions.subscribing import subscribe
from subscriptions.sync import writer
from webhooks.event_types import HANDLED, Fetch
from webhooks.inbox import enqueue_later
from webhooks.models import WebhookEvent

MAX_TRIES = 20
# Newer events of the same subject use up an older one's tries as well. So age decides too: this is
# what the pauses between the tries of a lonely event add up to.
PATIENCE = timedelta(hours=10)
_FIRST_DELAY_SECONDS = 5
_LONGEST_DELAY_SECONDS = 3600
NO_END = "The worker ended during the try."

# Tries are counted before they are made, so that an event which kills its worker dies as well. That
# one has no patience to expect, since it takes the jobs of others with it.
_BEGIN = """
WITH waiting AS (
    SELECT id, failures >= %(max_tries)s
        AND (received_at < %(long_ago)s OR last_error = %(no_end)s) AS is_given_up
    FROM webhooks_webhookevent WHERE subject = %(subject)s AND state = 'pending' FOR UPDATE
)
UPDATE webhooks_webhookevent AS event SET
    failures = failures + 1,
    state = CASE WHEN is_given_up THEN 'dead' ELSE state END,
    last_error = CASE WHEN is_given_up THEN last_error ELSE %(no_end)s END
FROM waiting WHERE event.id = waiting.id
RETURNING event.id, type, failures, state
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    """An event that waits to be handled."""

    id: str
    type: str
    tries: int


def settle(subject: str) -> None:
    """Bring our rows about a subject up to date and mark the events that asked for it.

    Args:
        subject: A customer's, product's or price's id.
    """
    events = _begin(subject)
    if not events:
        return
    try:
        _fetch(subject, events=events)
    except BillingError as refusal:
        _retry_later(subject, events=events, reason=f"{refusal.code}: {refusal.detail}")
    except Exception as error:  # noqa: BLE001 - a bug of ours must not use up the tries at once
        _log.exception("Webhook events could not be handled", extra={"subject": subject})
        _retry_later(subject, events=events, reason=type(error).__name__)
    else:
        _tick_off(events)


def _begin(subject: str) -> list[_Pending]:
    with connection.cursor() as cursor:
        cursor.execute(
            _BEGIN,
            {
                "no_end": NO_END,
                "max_tries": MAX_TRIES,
                "long_ago": timezone.now() - PATIENCE,
                "subject": subject,
            },
        )
        rows = cursor.fetchall()
    return [
        _Pending(id=event_id, type=event_type, tries=tries)
        for event_id, event_type, tries, state in rows
        if state == WebhookEvent.State.PENDING
    ]


def _fetch(subject: str, *, events: Sequence[_Pending]) -> None:
    wanted = {HANDLED[event.type] for event in events}
    if Fetch.CATALOGUE in wanted:
        products.refresh(subject)
        return
    customer = writer.refresh_customer(
        subject,
        cause=", ".join(sorted({event.type for event in events}))[:64],
        with_payment_methods=wanted != {Fetch.SUBSCRIPTIONS},
    )
    if customer is not None:
        if Fetch.SETUP in wanted:
            payment_methods.adopt_newest_setup(customer)
        subscribe.finish_stale(user_id=customer.user_id)


def _tick_off(events: Sequence[_Pending]) -> None:
    WebhookEvent.objects.filter(id__in=[event.id for event in events]).update(
        state=WebhookEvent.State.HANDLED, handled_at=timezone.now(), last_error=""
    )


def _retry_later(subject: str, *, events: Sequence[_Pending], reason: str) -> None:
    WebhookEvent.objects.filter(id__in=[event.id for event in events]).update(
        last_error=reason[:500]
    )
    fewest_tries = min(event.tries for event in events)
    seconds = min(_FIRST_DELAY_SECONDS * 2 ** (fewest_tries - 1), _LONGEST_DELAY_SECONDS)
    enqueue_later(subject, delay=timedelta(seconds=seconds))

"""Processes due events: claims those of one subject, looks at Stripe once, marks them handled."""

import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from errors import BillingError
from subscriptions import card_testing
from subscriptions.catalogue import products
from subscriptions.errors import StripeObjectNotFound
from subscriptions.managing import charges, payment_methods
from subscriptions.stripe_gateway.events import fetch_setup_failure
from subscriptions.subscribing import subscribe
from subscriptions.sync import writer
from webhooks.event_types import HANDLED, Fetch
from webhooks.inbox import INTERRUPTED
from webhooks.models import WebhookEvent

MAX_ATTEMPTS = 20
# Newer events of the same subject use up an older one's attempts as well. So age decides too: this
# is what the pauses between the attempts of a single event add up to.
PATIENCE = timedelta(hours=10)
# Longer than the calls at Stripe for one subject take.
_CLAIMED_FOR = timedelta(seconds=90)
_FIRST_PAUSE_SECONDS = 5
_LONGEST_PAUSE_SECONDS = 3600

# The oldest pending event of a subject stands for all of them: it is the one that is due, locked
# and claimed, so that a subject is processed by one worker at a time and what arrives meanwhile
# waits for it. Types that this version does not know (a newer one stored them before a rollback)
# are passed over.
#
# Attempts are counted before they are made, so that an event which kills its worker fails for good
# as well; that one has no patience to expect, since it takes the work of others with it.
_CLAIM = """
WITH due AS (
    SELECT subject FROM webhooks_webhookevent AS oldest
    WHERE state = 'pending' AND next_attempt_at <= now() AND type = ANY(%(types)s)
        AND NOT EXISTS (
            SELECT FROM webhooks_webhookevent AS older
            WHERE older.subject = oldest.subject AND older.state = 'pending'
                AND older.type = ANY(%(types)s)
                AND (older.received_at, older.id) < (oldest.received_at, oldest.id)
        )
    ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
), waiting AS (
    SELECT event.id, failures >= %(max_attempts)s
        AND (received_at < %(long_ago)s OR last_error = %(interrupted)s) AS has_failed
    FROM webhooks_webhookevent AS event JOIN due USING (subject)
    WHERE event.state = 'pending' AND event.type = ANY(%(types)s)
    ORDER BY event.id FOR UPDATE OF event
)
UPDATE webhooks_webhookevent AS event SET
    failures = failures + 1,
    state = CASE WHEN has_failed THEN 'dead' ELSE state END,
    last_error = CASE WHEN has_failed THEN last_error ELSE %(interrupted)s END,
    next_attempt_at = %(claimed_until)s
FROM waiting WHERE event.id = waiting.id
RETURNING event.id, type, subject, failures, state
"""

_log = logging.getLogger(__name__)


class Claimed(NamedTuple):
    """An event that this worker processes."""

    id: str
    type: str
    subject: str
    attempts: int
    state: str


def process_next() -> bool:
    """Process the due events of one subject; return whether there were any."""
    claimed = claim()
    process(claimed)
    return bool(claimed)


def claim() -> list[Claimed]:
    """Claim the due events of one subject, or none."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "types": list(HANDLED),
                "interrupted": INTERRUPTED,
                "max_attempts": MAX_ATTEMPTS,
                "long_ago": now - PATIENCE,
                "claimed_until": now + _CLAIMED_FOR,
            },
        )
        return [Claimed(*row) for row in cursor.fetchall()]


def process(claimed: Sequence[Claimed]) -> None:
    """Bring our rows about a subject up to date and mark the events that asked for it."""
    events = [each for each in claimed if each.state == WebhookEvent.State.PENDING]
    if not events:
        return
    try:
        _refresh(events[0].subject, events=events)
    except BillingError as refusal:
        _pause(events, reason=f"{refusal.code}: {refusal.detail}")
    except Exception as error:  # noqa: BLE001 - a bug of ours must not use up the attempts at once
        _log.exception("Events could not be processed", extra={"subject": events[0].subject})
        _pause(events, reason=type(error).__name__)
    else:
        _mark_handled(events)


def _refresh(subject: str, *, events: Sequence[Claimed]) -> None:
    wanted = {HANDLED[event.type] for event in events}
    if Fetch.CATALOGUE in wanted:
        products.refresh(subject)
        return
    cause = ", ".join(sorted({event.type for event in events}))[:64]
    if Fetch.CHARGE in wanted:
        charges.follow(subject, cause=cause)
        return
    if Fetch.SETUP_FAILURE in wanted:
        _count_setup_failures(subject, events=events)
        wanted.remove(Fetch.SETUP_FAILURE)
        if not wanted:
            return
    everything = wanted != {Fetch.SUBSCRIPTIONS}
    refreshed = writer.refresh_customer(subject, cause=cause, everything=everything)
    if refreshed is not None and refreshed.has_begun and not everything:
        # Whether the customer has a default card yet was not looked at.
        refreshed = writer.refresh_customer(subject, cause=cause)
    if refreshed is None:
        return
    if Fetch.SETUP in wanted:
        payment_methods.apply_newest_setup_intent(refreshed.customer, refreshed.snapshot)
    payment_methods.give_default_card(refreshed.customer, refreshed.snapshot)
    subscribe.recover(user_id=refreshed.customer.user_id)


def _count_setup_failures(subject: str, *, events: Sequence[Claimed]) -> None:
    for event in events:
        if HANDLED[event.type] is Fetch.SETUP_FAILURE:
            # So old that Stripe no longer shows it, when events are replayed.
            with contextlib.suppress(StripeObjectNotFound):
                card_testing.remember_setup_failure(fetch_setup_failure(event.id))
    payment_methods.end_setups_of_card_tester(subject)


def _mark_handled(events: Sequence[Claimed]) -> None:
    WebhookEvent.objects.filter(id__in=[event.id for event in events]).update(
        state=WebhookEvent.State.HANDLED, handled_at=timezone.now(), last_error=""
    )


def _pause(events: Sequence[Claimed], *, reason: str) -> None:
    fewest = min(event.attempts for event in events)
    seconds = min(_FIRST_PAUSE_SECONDS * 2 ** (fewest - 1), _LONGEST_PAUSE_SECONDS)
    WebhookEvent.objects.filter(id__in=[event.id for event in events]).update(
        last_error=reason[:500], next_attempt_at=timezone.now() + timedelta(seconds=seconds)
    )

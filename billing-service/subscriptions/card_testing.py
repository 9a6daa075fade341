"""Slows down card testing: refused cards are counted per user, source and card."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from subscriptions.errors import TooManyCardFailures
from subscriptions.models import CardFailure

WINDOW = timedelta(hours=1)

# Of one limit that is reached, the failure whose expiry brings the count below it again.
_REACHED = """
(SELECT at FROM subscriptions_cardfailure WHERE {column} = %s AND at > %s
 ORDER BY at DESC OFFSET %s LIMIT 1)
"""


def reference_of(payment_method: str) -> str:
    """Name a payment method without keeping its id, before its fingerprint is known.

    Args:
        payment_method: `pm_…`, as the caller sent it.
    """
    return hashlib.sha256(payment_method.encode()).hexdigest()


def refuse_if_too_many_failures(*, user_id: UUID, source: str | None, payment_method: str) -> None:
    """Let a request through unless too many cards were refused within the last hour.

    Args:
        user_id: Of the user.
        source: From which address.
        payment_method: `pm_…`, as the caller sent it.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    billing = settings.BILLING
    limits = [
        ("user_id", user_id, billing.card_failures_per_user),
        ("reference", reference_of(payment_method), billing.card_failures_per_card),
    ]
    if source:
        limits.append(("source", source, billing.card_failures_per_source))
    _refuse(*limits)


def refuse_failing_card(fingerprint: str) -> None:
    """Let a card through unless it was refused too often, under whatever id.

    Args:
        fingerprint: Stripe's, known once the card is attached.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    if fingerprint:
        _refuse(("fingerprint", fingerprint, settings.BILLING.card_failures_per_card))


def remember_failure(
    *, user_id: UUID, source: str | None, payment_method: str, fingerprint: str, code: str
) -> None:
    """Count one refused card.

    Args:
        user_id: Who tried.
        source: From which address.
        payment_method: `pm_…`, as the caller sent it.
        fingerprint: Stripe's, if it sent one.
        code: Why the card was refused.
    """
    CardFailure.objects.create(
        user_id=user_id,
        source=source,
        reference=reference_of(payment_method),
        fingerprint=fingerprint,
        code=code,
    )


def _refuse(*limits: tuple[str, object, int]) -> None:
    """Ask about all limits at once; put together by the ORM the same takes five times as long."""
    since = timezone.now() - WINDOW
    asked = " UNION ALL ".join(_REACHED.format(column=column) for column, _, _ in limits)
    values: list[Any] = [value for _, wanted, most in limits for value in (wanted, since, most - 1)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(at) FROM ({asked}) AS reached", values)  # noqa: S608 - our own names
        [last] = cursor.fetchone()
    if last is not None:
        raise TooManyCardFailures(retry_after_seconds=int((last - since).total_seconds()) + 1)

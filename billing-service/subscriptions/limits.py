"""Slows down card testing: refused cards are counted per user, source and card."""

import hashlib
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from subscriptions.errors import TooManyCardFailures
from subscriptions.models import CardFailure

WINDOW = timedelta(hours=1)


def reference_of(payment_method: str) -> str:
    """Name a payment method without keeping its id, before Stripe has told its fingerprint.

    Args:
        payment_method: `pm_…`, as the caller sent it.
    """
    return hashlib.sha256(payment_method.encode()).hexdigest()


def refuse_if_too_many_failures(*, user_id: UUID, source: str | None, payment_method: str) -> None:
    """Let a try through unless too many cards were refused within the last hour.

    Args:
        user_id: Who tries.
        source: From which address.
        payment_method: `pm_…`, as the caller sent it.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    billing = settings.BILLING
    limits = [
        (Q(user_id=user_id), billing.card_failures_per_user),
        (Q(reference=reference_of(payment_method)), billing.card_failures_per_card),
    ]
    if source:
        limits.append((Q(source=source), billing.card_failures_per_source))
    _refuse(*limits)


def refuse_failing_card(fingerprint: str) -> None:
    """Let a card through unless it was refused too often, under whatever id.

    Args:
        fingerprint: Stripe's, known once the card is attached.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    if fingerprint:
        _refuse((Q(fingerprint=fingerprint), settings.BILLING.card_failures_per_card))


def remember_failure(
    *, user_id: UUID, source: str | None, payment_method: str, fingerprint: str, code: str
) -> None:
    """Count one refused card.

    Args:
        user_id: Who tried.
        source: From which address.
        payment_method: `pm_…`, as the caller sent it.
        fingerprint: Stripe's, if it told one.
        code: Why the card was refused.
    """
    CardFailure.objects.create(
        user_id=user_id,
        source=source,
        reference=reference_of(payment_method),
        fingerprint=fingerprint,
        code=code,
    )


def _refuse(*limits: tuple[Q, int]) -> None:
    since = timezone.now() - WINDOW
    newest_first = CardFailure.objects.filter(at__gt=since).order_by("-at")
    # Of each limit that is reached, the failure whose expiry brings the count below it again.
    reached, *others = (
        newest_first.filter(which).values_list("at", flat=True)[at_most - 1 : at_most]
        for which, at_most in limits
    )
    last = max(reached.union(*others, all=True), default=None)
    if last is not None:
        raise TooManyCardFailures(retry_after_seconds=int((last - since).total_seconds()) + 1)

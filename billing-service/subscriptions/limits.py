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
    _refuse(Q(user_id=user_id), at_most=billing.card_failures_per_user)
    _refuse(Q(reference=reference_of(payment_method)), at_most=billing.card_failures_per_card)
    if source:
        _refuse(Q(source=source), at_most=billing.card_failures_per_source)


def refuse_failing_card(fingerprint: str) -> None:
    """Let a card through unless it was refused too often, under whatever id.

    Args:
        fingerprint: Stripe's, known once the card is attached.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    if fingerprint:
        _refuse(Q(fingerprint=fingerprint), at_most=settings.BILLING.card_failures_per_card)


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


def _refuse(which: Q, *, at_most: int) -> None:
    since = timezone.now() - WINDOW
    newest_first = CardFailure.objects.filter(which, at__gt=since).order_by("-at")
    # The failure whose expiry brings the count below the limit again.
    for at in newest_first.values_list("at", flat=True)[at_most - 1 : at_most]:
        raise TooManyCardFailures(retry_after_seconds=int((at - since).total_seconds()) + 1)

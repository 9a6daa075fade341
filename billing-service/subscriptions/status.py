"""Status and entitlements of a user."""

import contextlib
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from errors import BillingError
from subscriptions import card_testing
from subscriptions.errors import (
    AlreadySubscribed,
    NoSubscription,
    PaymentDisputed,
    SubscriptionPaused,
)
from subscriptions.models import PaymentMethod, Subscription
from subscriptions.statuses import IN_GOOD_STANDING, LIVE, OVERDUE
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.subscriptions import fetch_subscription

_SECRET_BUDGET_SECONDS = 5.0


class CurrentSubscription(NamedTuple):
    """What the status of a user is made of; the columns are described in `models.Subscription`."""

    stripe_status: str
    current_period_start: datetime | None
    current_period_end: datetime | None
    stripe_subscription_id: str
    price_reference: str
    pending_price_reference: str
    purchased_at: datetime
    access_until: datetime | None
    synced_at: datetime
    cancel_at_period_end: bool
    cancel_at: datetime | None
    ended_at: datetime | None
    latest_invoice_status: str
    hosted_invoice_url: str
    open_dispute: str
    collection_paused: str
    # Of the plan first, then of the other items.
    product_names: list[str]


# The most frequent query; plain SQL, because the ORM would take longer than the database.
_CURRENT = """
SELECT s.stripe_status, s.current_period_start, s.current_period_end, s.stripe_subscription_id,
       s.price_reference, s.pending_price_reference, s.purchased_at, s.access_until, s.synced_at,
       s.cancel_at_period_end, s.cancel_at, s.ended_at, s.latest_invoice_status,
       s.hosted_invoice_url, s.open_dispute, s.collection_paused, ARRAY(
           SELECT name FROM subscriptions_subscriptionproduct AS p
           WHERE p.id = s.product_id OR p.id IN (
               SELECT product_id FROM subscriptions_subscriptionitem WHERE subscription_id = s.id)
           ORDER BY p.id <> s.product_id, name)
FROM subscriptions_subscription AS s
WHERE s.user_id = %s AND s.is_current
"""


# One of an index of open attempts alone.
_OPEN_ATTEMPT = """
SELECT price_reference FROM subscriptions_subscribeattempt WHERE user_id = %s AND state = 'open'
"""


class OpenAttempt(NamedTuple):
    """An attempt to subscribe whose outcome is not known yet."""

    price_reference: str


def open_attempt_of(user_id: UUID) -> OpenAttempt | None:
    """Return a user's open attempt to subscribe, if there is one."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_ATTEMPT, (user_id,))
        row = cursor.fetchone()
    return None if row is None else OpenAttempt(*row)


def current_subscription_of(user_id: UUID) -> CurrentSubscription | None:
    """Return a user's current subscription, or None if there never was one."""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT, (user_id,))
        row = cursor.fetchone()
    return None if row is None else CurrentSubscription(*row)


def status_body(user_id: UUID, *, client_secret: str | None = None) -> dict[str, Any]:
    """Describe a user's current subscription: the original's seven fields, then ours.

    Args:
        client_secret: From the answer of a call at Stripe, if one was made. It is never stored, and
            not fetched here.

    Raises:
        NoSubscription: There never was one.
    """
    row, now = current_subscription_of(user_id), datetime.now(UTC)
    status = None if row is None else our_status_of(row, now=now)
    if status != "successful" and (attempt := open_attempt_of(user_id)) is not None:
        return _pending_body(attempt)
    if row is None:
        raise NoSubscription
    return {
        "status": status,
        "payment_gateway_status": row.stripe_status,
        "current_period_start": _text(row.current_period_start),
        "current_period_end": _text(row.current_period_end),
        "id_reference": row.stripe_subscription_id,
        "price_reference": row.price_reference,
        "purchase_date": row.purchased_at.date().isoformat(),
        "access_until": _text(access_until_of(row, now=now)),
        "cancel_at_period_end": _ends_with_period(row),
        "ends_at": _text(_ends_at(row)),
        "collection_paused": bool(row.collection_paused),
        "next_action": _next_action(row, user_id=user_id, client_secret=client_secret),
    }


def status_body_with_secret(user_id: UUID, *, client_secret: str | None) -> dict[str, Any]:
    """Describe the subscription as `status_body` does, with the client secret if one is needed.

    Args:
        client_secret: From the answer of a call at Stripe, if one was made; else it is fetched. The
            hosted page works without it.

    Raises:
        NoSubscription: There never was one.
    """
    body = status_body(user_id, client_secret=client_secret)
    if client_secret is None:
        with contextlib.suppress(BillingError):
            _add_secret(body)
    return body


def next_action_body(user_id: UUID) -> dict[str, Any]:
    """Return what the user has to do, with the client secret that completes a payment.

    Raises:
        NoSubscription: There never was one.
        TooManyRequests: The user asked Stripe too often within a minute.
        BillingError: Stripe did not answer with the client secret.
    """
    body = status_body(user_id)
    if _has_secret(body):
        card_testing.count_secret_request(user_id)
    _add_secret(body)
    return {"next_action": body["next_action"]}


def _has_secret(body: dict[str, Any]) -> bool:
    action = body["next_action"]
    return action is not None and action["type"] == "authenticate"


def _add_secret(body: dict[str, Any]) -> None:
    if _has_secret(body):
        body["next_action"]["client_secret"] = _ask_for_secret(body["id_reference"])


def access_is_withheld(row: CurrentSubscription | Subscription) -> bool:
    """Whether a dispute takes the access away that a subscription would give."""
    return bool(row.open_dispute) and settings.BILLING.dispute_ends_access


def refusal_to_subscribe(row: Subscription) -> AlreadySubscribed:
    """Return why the user of a live subscription cannot begin a second one."""
    if access_is_withheld(row):
        return PaymentDisputed()
    return SubscriptionPaused() if row.stripe_status == "paused" else AlreadySubscribed()


def our_status_of(row: CurrentSubscription | Subscription, *, now: datetime) -> str:
    """Return the status as the API reports it."""
    until = access_until_of(row, now=now)
    status = our_status(row.stripe_status, access_until=until, now=now)
    return "failed" if status == "successful" and access_is_withheld(row) else status


def access_until_of(row: CurrentSubscription | Subscription, *, now: datetime) -> datetime | None:
    """Return until when a subscription gives access, as far as is known now."""
    if access_is_withheld(row):
        return None
    return access_shown(
        row.stripe_status,
        access_until=row.access_until,
        ends_at=_ends_at(row),
        synced_at=row.synced_at,
        stale=timedelta(days=settings.BILLING.stale_access_days),
        now=now,
    )


def _pending_body(attempt: OpenAttempt) -> dict[str, Any]:
    """Describe an attempt to subscribe whose outcome is not known: it ends within minutes."""
    return {
        "status": "pending",
        "payment_gateway_status": None,
        "current_period_start": None,
        "current_period_end": None,
        "id_reference": None,
        "price_reference": attempt.price_reference,
        "purchase_date": None,
        "access_until": None,
        "cancel_at_period_end": False,
        "ends_at": None,
        "collection_paused": False,
        "next_action": _action("wait"),
    }


def entitlements_body(user_id: UUID) -> dict[str, Any]:
    """Return what a user may use, for other services that receive the user's token."""
    row, now = current_subscription_of(user_id), datetime.now(UTC)
    if row is None or not _grants_access(row, now=now):
        return {"products": [], "access_until": None}
    return {
        "products": row.product_names,
        "access_until": _text(access_until_of(row, now=now)),
    }


def entity_tag(body: dict[str, Any]) -> str:
    """Return the strong validator of a body (RFC 9110 section 8.8.3).

    Args:
        body: What will be sent as JSON.
    """
    return f'"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]}"'


def _grants_access(row: CurrentSubscription, *, now: datetime) -> bool:
    if our_status_of(row, now=now) == "successful":
        return True
    # Cancelled before the end of a period that is paid.
    until = access_until_of(row, now=now)
    return row.stripe_status == "canceled" and until is not None and now < until


def _ends_with_period(row: CurrentSubscription) -> bool:
    """Whether it ends with the paid period, whichever of Stripe's two fields says so."""
    if row.cancel_at_period_end:
        return True
    # What the customer portal sets in flexible billing mode.
    return row.cancel_at is not None and row.cancel_at == row.current_period_end


def _ends_at(row: CurrentSubscription | Subscription) -> datetime | None:
    """Return when it ended or will end, or None while it goes on."""
    if row.ended_at or row.cancel_at:
        return row.ended_at or row.cancel_at
    return row.current_period_end if row.cancel_at_period_end else None


def _next_action(
    row: CurrentSubscription, *, user_id: UUID, client_secret: str | None
) -> dict[str, Any] | None:
    """Return what the user has to do to have access or complete a payment, if anything."""
    if access_is_withheld(row) and row.stripe_status in LIVE:
        return _action("resolve_dispute")
    if row.stripe_status in OVERDUE:
        return _overdue_action(row)
    if row.stripe_status == "paused":
        return _paused_action(row, user_id=user_id)
    change_is_pending = row.pending_price_reference and row.stripe_status in IN_GOOD_STANDING
    if row.stripe_status != "incomplete" and not change_is_pending:
        return None
    return {
        "type": "authenticate",
        "client_secret": client_secret or None,
        "hosted_invoice_url": row.hosted_invoice_url or None,
    }


def _overdue_action(row: CurrentSubscription) -> dict[str, Any] | None:
    if row.latest_invoice_status == "open":
        return _action("pay_invoice", url=row.hosted_invoice_url)
    if row.stripe_status == "past_due":
        return None
    # Nothing is left to be paid, so Stripe does not make it active again.
    return _action("subscribe_again")


def _paused_action(row: CurrentSubscription, *, user_id: UUID) -> dict[str, Any]:
    if row.latest_invoice_status == "open":
        return _action("pay_invoice", url=row.hosted_invoice_url)
    cards = PaymentMethod.objects.filter(
        customer__user_id=user_id, is_default=True, detached_at=None
    )
    return _action("resume" if cards.exists() else "add_card")


def _action(kind: str, *, url: str = "") -> dict[str, Any]:
    return {"type": kind, "client_secret": None, "hosted_invoice_url": url or None}


def _ask_for_secret(subscription_id: str) -> str | None:
    with time_budget(_SECRET_BUDGET_SECONDS):
        invoice = fetch_subscription(subscription_id).latest_invoice
    return (invoice.client_secret or None) if invoice else None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def current_subscription(user_id: UUID) -> Subscription:
    """Return the row of a user's current subscription, its customer included.

    Raises:
        NoSubscription: There never was one.
    """
    row = (
        Subscription.objects.select_related("customer")
        .filter(user_id=user_id, is_current=True)
        .first()
    )
    if row is None:
        raise NoSubscription
    return row


def our_status(stripe_status: str, *, access_until: datetime | None, now: datetime) -> str:
    """Translate Stripe's word into `successful`, `failed` or `canceled`.

    Args:
        stripe_status: Stripe's `subscription.status`.
        access_until: End of access, as `access_shown` returns it.
        now: The moment to answer for.
    """
    if stripe_status in IN_GOOD_STANDING:
        return "successful" if access_until is None or now < access_until else "failed"
    if stripe_status == "past_due":
        return "successful" if access_until is not None and now < access_until else "failed"
    return "canceled" if stripe_status == "canceled" else "failed"


def access_shown(
    stripe_status: str,
    *,
    access_until: datetime | None,
    ends_at: datetime | None,
    synced_at: datetime,
    stale: timedelta,
    now: datetime,
) -> datetime | None:
    """Return until when a subscription gives access, as far as is known now.

    A paid period that has ended without news is taken for renewed for some days: Stripe's events
    come later, or Stripe cannot be reached.

    Args:
        stripe_status: Stripe's `subscription.status`, as last seen.
        access_until: As stored.
        ends_at: When it ends, if that is known.
        synced_at: When it was last seen at Stripe.
        stale: For how long what was last seen still counts.
        now: The moment to answer for.
    """
    if stripe_status not in IN_GOOD_STANDING or access_until is None or now < access_until:
        return access_until
    if ends_at is not None and ends_at <= now:
        return ends_at
    return max(access_until, synced_at) + stale

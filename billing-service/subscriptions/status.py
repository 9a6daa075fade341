"""Status and entitlements of a user; plain SQL, because these are the most frequent calls."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from errors import BillingError
from subscriptions.errors import NoSubscription
from subscriptions.models import Subscription
from subscriptions.statuses import IN_GOOD_STANDING, our_status
from subscriptions.stripe_gateway.client import time_budget
from subscriptions.stripe_gateway.subscriptions import fetch_subscription

_SECRET_BUDGET_SECONDS = 5.0

_CURRENT = """
SELECT s.stripe_status, s.current_period_start, s.current_period_end, s.stripe_subscription_id,
       s.price_reference, s.purchased_at, s.access_until, s.cancel_at_period_end,
       s.hosted_invoice_url, p.name, s.pending_price_reference
FROM subscriptions_subscription AS s
LEFT JOIN subscriptions_subscriptionproduct AS p ON p.id = s.product_id
WHERE s.user_id = %s AND s.is_current
"""


def status_body(user_id: UUID, *, client_secret: str | None = None) -> dict[str, Any]:
    """Describe a user's current subscription: the original's seven fields, then ours.

    Args:
        user_id: Of the user.
        client_secret: From the answer of a call at Stripe, if one was made. It is never stored.

    Raises:
        NoSubscription: There never was one.
    """
    row = _current(user_id)
    if row is None:
        raise NoSubscription
    status, start, end, subscription_id, price, purchased, access, at_end, invoice, *_, pending = (
        row
    )
    return {
        "status": our_status(status, access_until=access, now=datetime.now(UTC)),
        "payment_gateway_status": status,
        "current_period_start": _text(start),
        "current_period_end": _text(end),
        "id_reference": subscription_id,
        "price_reference": price,
        "purchase_date": purchased.date().isoformat(),
        "access_until": _text(access),
        "cancel_at_period_end": at_end,
        "next_action": _next_action(
            status,
            change_waits=bool(pending),
            subscription_id=subscription_id,
            invoice=invoice,
            client_secret=client_secret,
        ),
    }


def entitlements_body(user_id: UUID) -> dict[str, Any]:
    """Return what a user may use, for other services that receive the user's token.

    Args:
        user_id: Of the user.
    """
    row = _current(user_id)
    if row is None:
        return {"products": [], "access_until": None}
    status, access, name = row[0], row[6], row[9]
    now = datetime.now(UTC)
    granted = our_status(status, access_until=access, now=now) == "successful" or (
        status == "canceled" and access is not None and now < access
    )
    return {
        "products": [name] if granted and name else [],
        "access_until": _text(access) if granted else None,
    }


def entity_tag(body: dict[str, Any]) -> str:
    """Return the strong validator of a body (RFC 9110 section 8.8.3).

    Args:
        body: What will be sent as JSON.
    """
    return f'"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]}"'


def _current(user_id: UUID) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT, (user_id,))
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def _next_action(
    status: str,
    *,
    change_waits: bool,
    subscription_id: str,
    invoice: str,
    client_secret: str | None,
) -> dict[str, Any] | None:
    """Return what the user has to do to complete a payment, if anything."""
    if status == "past_due":
        return {"type": "pay_invoice", "client_secret": None, "hosted_invoice_url": invoice}
    if status != "incomplete" and not (change_waits and status in IN_GOOD_STANDING):
        return None
    secret = _ask_for_secret(subscription_id) if client_secret is None else client_secret
    return {
        "type": "authenticate",
        "client_secret": secret or None,
        "hosted_invoice_url": invoice or None,
    }


def _ask_for_secret(subscription_id: str) -> str:
    """Fetch the secret of a payment under way; the hosted page works without it."""
    try:
        with time_budget(_SECRET_BUDGET_SECONDS):
            found = fetch_subscription(subscription_id)
    except BillingError:
        return ""
    return found.latest_invoice.client_secret if found.latest_invoice else ""


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def current_subscription(user_id: UUID) -> Subscription:
    """Return the row of a user's current subscription, its customer included.

    Args:
        user_id: Of the user.

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

"""The timeline: everything that happened to one user's billing, newest first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from subscriptions.models import (
    CardFailure,
    Customer,
    CustomerLink,
    Dispute,
    Refund,
    SubscribeAttempt,
    SubscriptionChange,
)
from subscriptions.money import money_text
from users.models import User
from webhooks.models import WebhookEvent

_MOST_EVENTS = 500


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    kind: str
    what: str
    key: str = ""
    request_id: str = ""


def entries_of(user_id: UUID) -> list[Entry]:
    """Return what happened to a user, newest first.

    Args:
        user_id: Of the user, as in auth-service.
    """
    entries = [
        *_attempts(user_id),
        *_changes(user_id),
        *_events(user_id),
        *_refused_cards(user_id),
        *_reversals(user_id),
        *_links(user_id),
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def show(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Show the page to staff who may see subscriptions."""
    if not request.user.has_perm("subscriptions.view_subscription"):
        raise PermissionDenied
    user = get_object_or_404(User, pk=user_id)
    context = {
        **admin.site.each_context(request),
        "title": f"Timeline of {user}",
        "entries": entries_of(user_id),
    }
    return TemplateResponse(request, "backoffice/timeline.html", context)


def _attempts(user_id: UUID) -> Iterator[Entry]:
    for attempt in SubscribeAttempt.objects.filter(user_id=user_id):
        yield Entry(
            at=attempt.created_at,
            kind="attempt",
            what=f"{attempt.pk} for {attempt.product_name} opened",
        )
        if attempt.closed_at is None:
            continue
        for call in attempt.calls:
            yield Entry(
                at=attempt.closed_at,
                kind="call to Stripe",
                what=call["outcome"],
                key=call["key"],
                request_id=call["request_id"],
            )
        yield Entry(at=attempt.closed_at, kind="attempt", what=_how_it_ended(attempt))


def _how_it_ended(attempt: SubscribeAttempt) -> str:
    refusal: dict[str, Any] = attempt.refusal or {}
    reason = refusal.get("members", {}).get("decline_code") or refusal.get("code")
    return f"{attempt.pk} closed: {attempt.state}" + (f", {reason}" if reason else "")


def _changes(user_id: UUID) -> Iterator[Entry]:
    changes = SubscriptionChange.objects.filter(subscription__user_id=user_id)
    for change in changes.select_related("subscription"):
        changed = ", ".join(
            f"{name} {change.before.get(name, '—')} → {value}"
            for name, value in change.after.items()
        )
        yield Entry(
            at=change.at,
            kind="change of state",
            what=f"{change.subscription}: {changed} ({change.cause})",
        )


def _events(user_id: UUID) -> Iterator[Entry]:
    known = Customer.objects.filter(user_id=user_id).exclude(stripe_customer_id=None)
    subjects = [
        *known.values_list("stripe_customer_id", flat=True),
        *Refund.objects.filter(customer__user_id=user_id).values_list(
            "stripe_charge_id", flat=True
        ),
        *Dispute.objects.filter(customer__user_id=user_id).values_list(
            "stripe_charge_id", flat=True
        ),
    ]
    events = WebhookEvent.objects.filter(Q(subject__in=subjects)).order_by("-received_at")
    for event in events[:_MOST_EVENTS]:
        yield Entry(
            at=event.received_at,
            kind="webhook event",
            what=f"{event.type} {event.id}: {event.state}",
            key=event.idempotency_key,
            request_id=event.request_id,
        )


def _refused_cards(user_id: UUID) -> Iterator[Entry]:
    for failure in CardFailure.objects.filter(user_id=user_id):
        yield Entry(
            at=failure.at,
            kind="refused card",
            what=f"{failure.code} from {failure.source or 'an unknown address'}",
        )


def _reversals(user_id: UUID) -> Iterator[Entry]:
    for model, kind in ((Refund, "refund"), (Dispute, "dispute")):
        for each in model.objects.filter(customer__user_id=user_id):
            reason = f" ({each.reason})" if each.reason else ""
            yield Entry(
                at=each.created_at,
                kind=kind,
                what=f"{kind} of {money_text(each.amount, each.currency)}{reason}, paid with "
                f"{each.stripe_charge_id}: {each}",
            )


def _links(user_id: UUID) -> Iterator[Entry]:
    for link in CustomerLink.objects.filter(user_id=user_id).select_related("linked_by"):
        instead = f" instead of {link.replaced_customer_id}" if link.replaced_customer_id else ""
        yield Entry(
            at=link.at,
            kind="customer linked",
            what=f"{link.stripe_customer_id}{instead}, by {link.linked_by or 'the command line'}",
        )

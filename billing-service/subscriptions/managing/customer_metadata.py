"""Writes our metadata key to the customers that versions before 0.9.0 made.

A customer that has it is found again at Stripe when the database has lost it, such as after a
restore. The key of the earlier versions, `user_id`, stays: others may read it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.utils import timezone

from subscriptions.errors import PaymentGatewayBusy, PaymentGatewayRefused, StripeObjectNotFound
from subscriptions.models import Customer
from subscriptions.stripe_gateway.customers import pages_of_customers, write_user_id
from subscriptions.stripe_gateway.objects import StripeCustomer

# Stripe's rate limit is per second.
_PAUSE_SECONDS = 2.0
_MOST_PAUSES = 10


class Written(StrEnum):
    """What became of one customer."""

    NOW = "written"
    BEFORE = "had it"
    NOT_OURS = "not in the database"
    FAILED = "not written"


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One customer; `reason` says why it was not written."""

    stripe_customer_id: str
    written: Written
    reason: str = ""


def rewrite_metadata(*, dry_run: bool) -> Iterator[Rewrite]:
    """Go through all customers of the account and write the key to those in our database.

    A run that was interrupted needs no position: the customers that have the key are passed over,
    a hundred with each call.

    Args:
        dry_run: Write nothing, and yield what would be written.

    Raises:
        PaymentGatewayUnavailable: Stripe cannot be reached, or refuses our key.
    """
    began_at, listed = timezone.now(), set[str]()
    for page in pages_of_customers(after=None):
        listed.update(each.id for each in page)
        rows = {
            row.stripe_customer_id: row
            for row in Customer.objects.filter(
                stripe_customer_id__in=[each.id for each in page]
            ).select_related("user")
        }
        for found in page:
            yield _rewrite(found, row=rows.get(found.id), dry_run=dry_run)
    expected = Customer.objects.filter(deleted_at=None, created_at__lt=began_at)
    for name in expected.exclude(stripe_customer_id=None).values_list(
        "stripe_customer_id", flat=True
    ):
        if name not in listed:
            yield _failed(str(name), "Stripe does not list it; see `manage.py stripe_reconcile`.")


def _rewrite(found: StripeCustomer, *, row: Customer | None, dry_run: bool) -> Rewrite:
    if row is None:
        return Rewrite(stripe_customer_id=found.id, written=Written.NOT_OURS)
    user_id = str(row.user_id)
    if found.user_id == user_id:
        return Rewrite(stripe_customer_id=found.id, written=Written.BEFORE)
    if found.user_id:
        return _failed(found.id, f"it names user {found.user_id}, but is user {user_id}'s here.")
    if row.user.version == 0:
        # Earlier versions took another application's customer for one of a user with that id.
        return _failed(found.id, f"auth-service does not know its user {user_id}.")
    if not dry_run:
        try:
            _write(found.id, user_id)
        except (PaymentGatewayRefused, StripeObjectNotFound) as refusal:
            return _failed(found.id, refusal.detail)
    return Rewrite(stripe_customer_id=found.id, written=Written.NOW)


def _write(stripe_customer_id: str, user_id: str) -> None:
    for _ in range(_MOST_PAUSES):
        try:
            write_user_id(stripe_customer_id, user_id)
        except PaymentGatewayBusy:
            time.sleep(_PAUSE_SECONDS)
        else:
            return
    write_user_id(stripe_customer_id, user_id)


def _failed(stripe_customer_id: str, reason: str) -> Rewrite:
    return Rewrite(stripe_customer_id=stripe_customer_id, written=Written.FAILED, reason=reason)

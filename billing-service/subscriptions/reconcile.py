"""Compares what we remember with what Stripe says, customer by customer, both ways round.

Webhooks keep the two alike; this finds out whether they did.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from subscriptions import sync
from subscriptions.errors import MissingAtStripe
from subscriptions.models import Customer, ReconcileRun
from subscriptions.statuses import ENDED, LIVE
from subscriptions.stripe_gateway.customers import pages_of_customers
from subscriptions.subscription_rows import differences
from subscriptions.sync import Truth

_BATCH = 100
_RECHECKS = 3


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not the same here and at Stripe."""

    stripe_customer_id: str
    object_id: str
    what: str
    ours: str = ""
    stripes: str = ""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is."""

    customers_compared: int
    differences: int


def unfinished_run() -> ReconcileRun | None:
    """Return the last run if it was broken off."""
    last = ReconcileRun.objects.order_by("-id").first()
    return last if last is not None and last.finished_at is None else None


def run(record: ReconcileRun) -> Iterator[Progress]:
    """Carry a run on from where it is, yielding after every batch.

    Args:
        record: A new run, or one that was broken off; with `fix`, Stripe's truth is written.

    Raises:
        PaymentGatewayUnavailable: Stripe is away; the run can be carried on later.
    """
    yield from _our_customers(record)
    yield from _stripes_customers(record)
    record.finished_at = timezone.now()
    record.save()


def compare(customer: Customer, *, truth: Truth) -> list[Difference]:
    """Compare one customer's rows with what Stripe says.

    Args:
        customer: Our row.
        truth: What Stripe says, complete.
    """
    return [
        *_compare_customer(customer, truth=truth),
        *_compare_subscriptions(customer, truth=truth),
        *_compare_payment_methods(customer, truth=truth),
    ]


def _our_customers(record: ReconcileRun) -> Iterator[Progress]:
    while True:
        rows = list(
            Customer.objects.filter(pk__gt=record.position, deleted_at=None)
            .exclude(stripe_customer_id=None)
            .order_by("pk")[:_BATCH]
        )
        for row in rows:
            _note(record, _check(row, fix=record.fix))
            record.position = row.pk
            record.customers_compared += 1
        record.save()
        yield _progress(record)
        if len(rows) < _BATCH:
            return


def _stripes_customers(record: ReconcileRun) -> Iterator[Progress]:
    """Look for customers that were made for a user of ours and that we know nothing of."""
    for page in pages_of_customers(after=record.stripe_position or None):
        ours = [each for each in page if each.user_id]
        known = set(
            Customer.objects.filter(stripe_customer_id__in=[each.id for each in ours]).values_list(
                "stripe_customer_id", flat=True
            )
        )
        for found in ours:
            if found.id not in known:
                _note(record, [_unknown(found.id, user_id=found.user_id)])
                if record.fix:
                    sync.refresh_customer(found.id, cause="reconcile")
        record.stripe_position = page[-1].id if page else record.stripe_position
        record.save()
        yield _progress(record)


def _check(customer: Customer, *, fix: bool) -> list[Difference]:
    """Compare one customer; a change that happens meanwhile is no difference."""
    found: list[Difference] = []
    for _ in range(_RECHECKS):
        customer.refresh_from_db()
        try:
            truth = sync.fetch_truth(customer.stripe_customer_id or "")
        except MissingAtStripe:
            return _gone(customer, fix=fix)
        found = compare(customer, truth=truth)
        seen = customer.sync_version
        customer.refresh_from_db(fields=["sync_version"])
        if customer.sync_version == seen:
            break
    if found and fix:
        sync.refresh_customer(customer.stripe_customer_id or "", cause="reconcile")
    return found


def _compare_customer(customer: Customer, *, truth: Truth) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    if truth.customer is not None and truth.customer.deleted:
        yield Difference(stripe_customer_id=name, object_id=name, what="deleted at Stripe")
    live = [found.id for found in truth.subscriptions if found.status in LIVE]
    if len(live) > 1:
        yield Difference(
            stripe_customer_id=name,
            object_id=name,
            what="more than one live subscription",
            stripes=", ".join(live),
        )


def _compare_subscriptions(customer: Customer, *, truth: Truth) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    grace = timedelta(days=settings.BILLING.past_due_grace_days)
    rows = {row.stripe_subscription_id: row for row in customer.subscriptions.all()}
    for found in truth.subscriptions:
        row = rows.pop(found.id, None)
        if row is None:
            yield Difference(
                stripe_customer_id=name, object_id=found.id, what="subscription unknown here"
            )
            continue
        for column, (ours, stripes) in differences(row, found=found, grace=grace).items():
            yield Difference(
                stripe_customer_id=name,
                object_id=found.id,
                what=column,
                ours=str(ours),
                stripes=str(stripes),
            )
    for row in rows.values():
        if row.stripe_status not in ENDED:
            yield Difference(
                stripe_customer_id=name,
                object_id=row.stripe_subscription_id,
                what="subscription unknown at Stripe",
            )


def _compare_payment_methods(customer: Customer, *, truth: Truth) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    rows = {
        row.stripe_payment_method_id: row
        for row in customer.payment_methods.filter(detached_at=None)
    }
    default = truth.customer.default_payment_method_id if truth.customer else ""
    for card in truth.payment_methods or ():
        row = rows.pop(card.id, None)
        if row is None:
            what = "payment method unknown here"
        elif row.is_default != (card.id == default):
            what = "default payment method"
        else:
            continue
        yield Difference(stripe_customer_id=name, object_id=card.id, what=what)
    for missing in rows:
        yield Difference(
            stripe_customer_id=name, object_id=missing, what="payment method detached at Stripe"
        )


def _gone(customer: Customer, *, fix: bool) -> list[Difference]:
    name = customer.stripe_customer_id or ""
    if fix:
        sync.bury_customer(customer, cause="reconcile")
    return [Difference(stripe_customer_id=name, object_id=name, what="unknown at Stripe")]


def _unknown(stripe_customer_id: str, *, user_id: str) -> Difference:
    return Difference(
        stripe_customer_id=stripe_customer_id,
        object_id=stripe_customer_id,
        what="customer unknown here",
        stripes=f"made for user {user_id}",
    )


def _note(record: ReconcileRun, found: list[Difference]) -> None:
    record.drift = [*record.drift, *(asdict(each) for each in found)]


def _progress(record: ReconcileRun) -> Progress:
    return Progress(customers_compared=record.customers_compared, differences=len(record.drift))

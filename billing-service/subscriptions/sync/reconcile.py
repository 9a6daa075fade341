"""Compares our rows with Stripe's objects, customer by customer, in both directions.

Webhooks keep the two in line; this finds out whether they did.
"""

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace

from django.utils import timezone

from subscriptions.errors import CustomerNotVisible, StripeObjectNotFound
from subscriptions.models import Customer, ReconcileRun
from subscriptions.statuses import ENDED, LIVE
from subscriptions.stripe_gateway.customers import pages_of_customers
from subscriptions.stripe_gateway.objects import StripeCustomer
from subscriptions.sync import writer
from subscriptions.sync.subscription_rows import differences, ours_among
from subscriptions.sync.writer import StripeSnapshot

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
    # Whether it was gone after our rows had been brought in line with Stripe.
    repaired: bool = False


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a run."""

    customers_compared: int
    differences: int


def unfinished_run(*, nightly: bool) -> ReconcileRun | None:
    """Return the last run if it was broken off.

    Args:
        nightly: Whether to look at the nightly job's runs or at those of operators: neither
            continues a run that the other may be working on.
    """
    last = ReconcileRun.objects.filter(nightly=nightly).order_by("-id").first()
    return last if last is not None and last.finished_at is None else None


def run(
    record: ReconcileRun, *, has_pending_event: Callable[[str], bool]
) -> Generator[Progress, None, None]:
    """Continue a run from where it is, yielding after every customer.

    The run is saved with every batch, at its end, and when the caller stops in between.

    Args:
        record: A new run, or one that was broken off; with `fix`, rows are brought in line with
            Stripe.
        has_pending_event: Returns for a customer's id whether an event about it is still to be
            processed. Until then a difference does not count, but a fix does not wait for it.

    Raises:
        PaymentGatewayUnavailable: Stripe cannot be reached; the run can be continued later.
    """
    try:
        yield from _our_customers(record, has_pending_event=has_pending_event)
        yield from _stripes_customers(record, has_pending_event=has_pending_event)
        record.finished_at = timezone.now()
    finally:
        record.save()


def compare(customer: Customer, *, snapshot: StripeSnapshot) -> list[Difference]:
    """Compare one customer's rows with what a look at everything found."""
    if snapshot.deleted or customer.deleted_at is not None:
        return list(_compare_deletion(customer, snapshot=snapshot))
    return [
        *_compare_customer(customer, snapshot=snapshot),
        *_compare_subscriptions(customer, snapshot=snapshot),
        *_compare_payment_methods(customer, snapshot=snapshot),
    ]


def _our_customers(
    record: ReconcileRun, *, has_pending_event: Callable[[str], bool]
) -> Iterator[Progress]:
    while True:
        rows = list(
            Customer.objects.filter(pk__gt=record.position)
            .exclude(stripe_customer_id=None)
            .order_by("pk")[:_BATCH]
        )
        for row in rows:
            found = _look(row.pk)
            if found and record.fix:
                found = _repair(row, found=found)
            elif found and has_pending_event(row.stripe_customer_id or ""):
                found = []
            _note(record, found)
            record.position = row.pk
            record.customers_compared += 1
            yield _progress(record)
        record.save()
        if len(rows) < _BATCH:
            return


def _stripes_customers(
    record: ReconcileRun, *, has_pending_event: Callable[[str], bool]
) -> Iterator[Progress]:
    """Look for customers that were made for a user of ours and that we know nothing of."""
    for page in _pages(record):
        ours = [each for each in page if each.user_id]
        known = set(
            Customer.objects.filter(stripe_customer_id__in=[each.id for each in ours]).values_list(
                "stripe_customer_id", flat=True
            )
        )
        for found in ours:
            if found.id in known:
                continue
            if record.fix:
                _note(record, _adopt(found))
            elif not has_pending_event(found.id):
                _note(record, [_unknown(found)])
        record.stripe_position = page[-1].id if page else record.stripe_position
        record.save()
        yield _progress(record)


def _pages(record: ReconcileRun) -> Iterator[list[StripeCustomer]]:
    try:
        yield from pages_of_customers(after=record.stripe_position or None)
    except StripeObjectNotFound:
        # The customer behind which to go on was deleted, so the position is lost.
        yield from pages_of_customers(after=None)


def _look(customer_pk: int) -> list[Difference]:
    """Compare one customer; a change that happens meanwhile is no difference."""
    found: list[Difference] = []
    for _ in range(_RECHECKS):
        customer = Customer.objects.filter(pk=customer_pk).first()
        if customer is None:
            return []
        try:
            snapshot = writer.look(customer.stripe_customer_id or "", everything=True)
        except CustomerNotVisible:
            # One that is marked deleted may have gone with the test data of its account.
            return [] if customer.deleted_at is not None else [_not_visible(customer)]
        found = compare(customer, snapshot=snapshot)
        if Customer.objects.filter(pk=customer_pk, sync_version=customer.sync_version).exists():
            break
    return found


def _repair(customer: Customer, *, found: list[Difference]) -> list[Difference]:
    """Write what Stripe says, and say of each difference whether that was enough."""
    with contextlib.suppress(CustomerNotVisible):
        writer.refresh_customer(customer.stripe_customer_id or "", cause="reconcile")
    left = {(each.object_id, each.what) for each in _look(customer.pk)}
    return [replace(each, repaired=(each.object_id, each.what) not in left) for each in found]


def _adopt(found: StripeCustomer) -> list[Difference]:
    """Adopt a customer of a user who has no other; what still differs is reported as well."""
    refreshed = writer.refresh_customer(found.id, cause="reconcile")
    if refreshed is None:
        return [_unknown(found)]
    return [replace(_unknown(found), repaired=True), *_look(refreshed.customer.pk)]


def _compare_deletion(customer: Customer, *, snapshot: StripeSnapshot) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    if snapshot.deleted and customer.deleted_at is None:
        yield Difference(stripe_customer_id=name, object_id=name, what="deleted at Stripe")
    if customer.deleted_at is not None and not snapshot.deleted:
        yield Difference(
            stripe_customer_id=name, object_id=name, what="marked deleted, but exists at Stripe"
        )


def _compare_customer(customer: Customer, *, snapshot: StripeSnapshot) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    live = [found.id for found in ours_among(snapshot.subscriptions) if found.status in LIVE]
    if len(live) > 1:
        yield Difference(
            stripe_customer_id=name,
            object_id=name,
            what="more than one live subscription",
            stripes=", ".join(live),
        )


def _compare_subscriptions(customer: Customer, *, snapshot: StripeSnapshot) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    rows = {row.stripe_subscription_id: row for row in customer.subscriptions.all()}
    for found in snapshot.subscriptions:
        row = rows.pop(found.id, None)
        if row is None:
            yield Difference(
                stripe_customer_id=name, object_id=found.id, what="subscription unknown here"
            )
            continue
        for column, (ours, stripes) in differences(row, found=found).items():
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


def _compare_payment_methods(
    customer: Customer, *, snapshot: StripeSnapshot
) -> Iterator[Difference]:
    name = customer.stripe_customer_id or ""
    rows = {
        row.stripe_payment_method_id: row
        for row in customer.payment_methods.filter(detached_at=None)
    }
    default = snapshot.default_payment_method_id
    for card in snapshot.payment_methods:
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


def _not_visible(customer: Customer) -> Difference:
    name = customer.stripe_customer_id or ""
    return Difference(stripe_customer_id=name, object_id=name, what="not visible with this key")


def _unknown(found: StripeCustomer) -> Difference:
    return Difference(
        stripe_customer_id=found.id,
        object_id=found.id,
        what="customer unknown here",
        stripes=f"made for user {found.user_id}",
    )


def _note(record: ReconcileRun, found: list[Difference]) -> None:
    fresh = [asdict(each) for each in found]
    # A run that had to begin a list again meets some of them twice.
    record.drift = [*record.drift, *(each for each in fresh if each not in record.drift)]


def _progress(record: ReconcileRun) -> Progress:
    return Progress(customers_compared=record.customers_compared, differences=len(record.drift))

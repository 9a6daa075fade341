"""Compares our rows with Stripe's objects, customer by customer, in both directions.

Webhooks keep the two in line; this finds out whether they did.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from errors import BillingError
from subscriptions.errors import (
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    PaymentGatewayUnavailable,
    StripeObjectNotFound,
)
from subscriptions.models import Customer, ReconcileRun
from subscriptions.statuses import ENDED
from subscriptions.stripe_gateway.customers import pages_of_customers
from subscriptions.stripe_gateway.objects import StripeCustomer
from subscriptions.stripe_gateway.subscriptions import fetch_subscriptions_of
from subscriptions.sync import writer
from subscriptions.sync.comparison import Difference, compare
from subscriptions.sync.customer_rows import lock_row
from subscriptions.sync.reversals import compare_reversals, reversals_at_stripe
from subscriptions.sync.subscription_rows import ours_among
from subscriptions.sync.writer import StripeSnapshot

_BATCH = 100
_RECHECKS = 3
# A fix that would take away more than this, or more than one in so many, is more likely a mistake.
_MOST_LOSSES = 10
_ONE_IN = 20


class TooManyLosses(Exception):
    """A fix that would take so much away that a person has to decide about it."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a run."""

    customers_compared: int
    differences: int


class _Look(NamedTuple):
    """What differs, and what Stripe said; None if our key does not reach the customer."""

    found: list[Difference]
    snapshot: StripeSnapshot | None


def unfinished_run(*, nightly: bool) -> ReconcileRun | None:
    """Return the last run if it was interrupted.

    Args:
        nightly: Whether to look at the nightly job's runs or at those of operators: neither
            continues a run that the other may be working on.
    """
    last = ReconcileRun.objects.filter(nightly=nightly).order_by("-id").first()
    return last if last is not None and last.finished_at is None else None


def run(
    record: ReconcileRun,
    *,
    has_pending_event: Callable[[str], bool],
    follow_charge: Callable[..., None],
    accept_losses: int = 0,
) -> Generator[Progress, None, None]:
    """Continue a run from where it is, yielding after every customer.

    The run is saved now and then, at its end, and when the caller stops in between.

    Args:
        record: A new run, or one that was interrupted; with `fix`, rows are brought in line with
            Stripe. Those of customers who would lose something come last, when it is known how
            many they are.
        has_pending_event: Returns for a customer's id whether an event about it is still to be
            processed. Until then a difference does not count, but a fix does not wait for it.
        follow_charge: Does what an event about a charge would have done; see
            `managing.charges.follow`.
        accept_losses: How many customers may lose something, even if they are many.

    Raises:
        PaymentGatewayUnavailable: Stripe cannot be reached; the run can be continued later.
        TooManyLosses: None of the losses was written; the run can be continued with
            `accept_losses`.
    """
    findings = _Findings(record)
    try:
        yield from _our_customers(record, findings, has_pending_event=has_pending_event)
        yield from _stripes_customers(record, findings, has_pending_event=has_pending_event)
        reversals = _Reversals(record, findings, has_pending_event, follow_charge)
        yield from reversals.compare(losses=False)
        if record.fix:
            if warning := loss_warning(record, accept_losses=accept_losses):
                raise TooManyLosses(warning)
            yield from _write_losses(record, findings)
            yield from reversals.compare(losses=True)
        record.finished_at = timezone.now()
    finally:
        record.save()


def loss_warning(record: ReconcileRun, *, accept_losses: int = 0) -> str:
    """Return a sentence about what a fix would take away, if that is more than is usual.

    Args:
        record: A run that has compared everything.
        accept_losses: How many customers may lose something.
    """
    losses, compared = len(_losing(record)), record.customers_compared
    are_few = losses <= _MOST_LOSSES and losses * _ONE_IN <= compared
    if are_few or losses <= accept_losses:
        return ""
    return (
        f"{losses} of {compared} customers would lose a subscription, a card or everything they "
        f"have here, which --fix writes only with --accept-losses {losses}."
    )


class _Findings:
    """The differences that a run has found, each once, as the run's row keeps them."""

    def __init__(self, record: ReconcileRun) -> None:
        self._record = record
        self._looked_at = 0
        self._kept: dict[str, dict[tuple[str, ...], dict[str, Any]]] = defaultdict(dict)
        for entry in record.drift:
            self._kept[entry["stripe_customer_id"]][_identity(entry)] = entry

    def note(self, found: Sequence[Difference]) -> None:
        """Keep differences; a run that had to begin a list again meets some of them twice."""
        for entry in map(asdict, found):
            known = self._kept[entry["stripe_customer_id"]].setdefault(_identity(entry), entry)
            if known is entry:
                self._record.drift.append(entry)
            else:
                known["repaired"] = entry["repaired"]

    def save(self, *, looked_at: int) -> None:
        """Save the run from time to time.

        Every time, all differences are written. So as many customers as there are differences
        are looked at in between, and a run takes as long for each however much it finds.

        Args:
            looked_at: How many customers were looked at since the last call.
        """
        self._looked_at += looked_at
        if self._looked_at >= len(self._record.drift):
            self._record.save()
            self._looked_at = 0

    def replace(self, stripe_customer_id: str, found: Sequence[Difference]) -> None:
        """Keep a customer's differences of now; those that were noted before are repaired."""
        for entry in self._kept[stripe_customer_id].values():
            entry["repaired"] = True
        self.note(found)


def _identity(entry: dict[str, Any]) -> tuple[str, ...]:
    return entry["object_id"], entry["what"], entry["ours"], entry["stripes"]


def _losing(record: ReconcileRun) -> list[str]:
    """Return the ids of the customers who would lose something, each once, in order."""
    losses = (each for each in record.drift if each.get("loss") and not each["repaired"])
    return list(dict.fromkeys(each["stripe_customer_id"] for each in losses))


def _our_customers(
    record: ReconcileRun, findings: _Findings, *, has_pending_event: Callable[[str], bool]
) -> Iterator[Progress]:
    while True:
        rows = list(
            Customer.objects.filter(pk__gt=record.position)
            .exclude(stripe_customer_id=None)
            .order_by("pk")[:_BATCH]
        )
        for row in rows:
            look = _look(row.pk)
            if record.fix:
                is_loss = any(each.loss for each in look.found)
                findings.note(look.found if is_loss else _repair(row, look=look))
            elif not (look.found and has_pending_event(row.stripe_customer_id or "")):
                findings.note(look.found)
            record.position = row.pk
            record.customers_compared += 1
            yield _progress(record)
        findings.save(looked_at=len(rows))
        if len(rows) < _BATCH:
            return


def _stripes_customers(
    record: ReconcileRun, findings: _Findings, *, has_pending_event: Callable[[str], bool]
) -> Iterator[Progress]:
    """Look for customers that were made for a user of ours and that we know nothing of."""
    for page in _pages(record):
        known = Customer.objects.filter(stripe_customer_id__in=[each.id for each in page])
        known_ids = set(known.values_list("stripe_customer_id", flat=True))
        unknown = [each for each in page if each.id not in known_ids]
        users = writer.known_users(
            [each.user_id for each in unknown] + [each.old_user_id for each in unknown]
        )
        for found in unknown:
            if found.user_id in users:
                if record.fix:
                    findings.note(_adopt(found))
                elif not has_pending_event(found.id):
                    findings.note([_unknown(found)])
            elif found.old_user_id in users:
                findings.note(_unlinked(found))
        record.stripe_position = page[-1].id if page else record.stripe_position
        findings.save(looked_at=len(page))
        yield _progress(record)


def _pages(record: ReconcileRun) -> Iterator[list[StripeCustomer]]:
    try:
        yield from pages_of_customers(after=record.stripe_position or None)
    except StripeObjectNotFound:
        # The customer behind which to go on was deleted, so the position is lost.
        yield from pages_of_customers(after=None)


def _write_losses(record: ReconcileRun, findings: _Findings) -> Iterator[Progress]:
    """Write what was held back, as Stripe says it now."""
    for stripe_customer_id in _losing(record):
        row = Customer.objects.filter(stripe_customer_id=stripe_customer_id).first()
        if row is not None:
            findings.replace(stripe_customer_id, _repair(row, look=_look(row.pk)))
        yield _progress(record)


@dataclass(frozen=True)
class _Reversals:
    """The comparison of refunds and disputes, the account's as well as those that are open here."""

    record: ReconcileRun
    findings: _Findings
    has_pending_event: Callable[[str], bool]
    follow_charge: Callable[..., None]

    def compare(self, *, losses: bool) -> Iterator[Progress]:
        """Note what differs, and with `fix` do what the lost event would have done.

        Args:
            losses: Whether that includes what may end a subscription.
        """
        for page in reversals_at_stripe():
            for charge_id, difference in compare_reversals(page):
                if self.record.fix and losses >= difference.loss:
                    self._follow(charge_id)
                    left = {each.object_id for _, each in compare_reversals(page)}
                    is_repaired = difference.object_id not in left
                    self.findings.note([replace(difference, repaired=is_repaired)])
                elif self.record.fix or not self.has_pending_event(charge_id):
                    self.findings.note([difference])
            yield _progress(self.record)

    def _follow(self, charge_id: str) -> None:
        try:
            self.follow_charge(charge_id, cause="reconcile")
        except CustomerNotVisible:
            return
        except PaymentGatewayUnavailable:
            raise
        except BillingError:
            # Another process acts for the customer; the difference is left.
            return


def _look(customer_pk: int) -> _Look:
    """Compare one customer; a change that happens meanwhile is no difference."""
    found, snapshot = list[Difference](), None
    for _ in range(_RECHECKS):
        customer = Customer.objects.filter(pk=customer_pk).first()
        if customer is None:
            return _Look([], None)
        try:
            snapshot = writer.look(customer.stripe_customer_id or "", everything=True)
        except CustomerNotVisible:
            # One that is marked deleted may have gone with the test data of its account.
            return _Look([] if customer.deleted_at is not None else [_not_visible(customer)], None)
        found = compare(customer, snapshot=snapshot)
        if Customer.objects.filter(pk=customer_pk, sync_version=customer.sync_version).exists():
            break
    return _Look(found, snapshot)


def _repair(customer: Customer, *, look: _Look) -> list[Difference]:
    """Write what a look found, and say of each difference whether that was enough."""
    if not look.found or look.snapshot is None:
        return look.found
    with transaction.atomic():
        writer.write(lock_row(customer), look.snapshot, cause="reconcile")
    after = _look(customer.pk)
    if after.snapshot is None:
        return look.found
    left = {(each.object_id, each.what) for each in after.found}
    return [replace(each, repaired=(each.object_id, each.what) not in left) for each in look.found]


def _adopt(found: StripeCustomer) -> list[Difference]:
    """Adopt a customer of a user who has no other; what still differs is reported as well."""
    refreshed = writer.refresh_customer(found.id, cause="reconcile")
    if refreshed is None:
        return [_unknown(found)]
    return [replace(_unknown(found), repaired=True), *_look(refreshed.customer.pk).found]


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


def _unlinked(found: StripeCustomer) -> list[Difference]:
    """Report a customer that an earlier version made, and that this database has lost.

    Its `user_id` alone could be another application's; what tells is a subscription of ours.
    """
    try:
        subscriptions = ours_among(fetch_subscriptions_of(found.id))
    except CustomerDeletedAtStripe:
        return []
    if all(each.status in ENDED for each in subscriptions):
        return []
    said = f"has a subscription of ours; stripe_link {found.old_user_id} {found.id} takes it over"
    return [replace(_unknown(found), stripes=said)]


def _progress(record: ReconcileRun) -> Progress:
    return Progress(customers_compared=record.customers_compared, differences=len(record.drift))

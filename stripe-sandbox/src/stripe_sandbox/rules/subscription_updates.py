"""Changes subscriptions: items with proration, the cycle, and what that costs now."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.rules import (
    invoice_collection,
    invoices,
    lines,
    prorating,
    renewals,
    subscription_creation,
    subscriptions,
)
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]

_ONE = Decimal(1)


@dataclass(frozen=True)
class Change:
    """What is to become of one item: `old` is None for a new one, `price` for a removed one."""

    old: Json | None
    price: Json | None
    quantity: int
    metadata: Json | None

    @property
    def costs(self) -> bool:
        """Whether the change alters what is billed."""
        if self.old is None or self.price is None:
            return True
        return (self.old["price"], self.old["quantity"]) != (self.price["id"], self.quantity)


@dataclass(frozen=True)
class Terms:
    """How a change is billed.

    Attributes:
        proration: `create_prorations`, `always_invoice` or `none`.
        payment: A `payment_behavior`.
        moment: The time as of which prorations are reckoned.
        reset: Whether the billing cycle begins anew.
        off_session: Whether the customer is away.
    """

    proration: str
    payment: str
    moment: int
    reset: bool
    off_session: bool


def amend(work: Work, subscription: Json, wanted: list[Change], terms: Terms) -> None:
    """Change a subscription's items or cycle, and bill what the terms say is due now.

    Raises:
        CardError: `error_if_incomplete`, and the payment did not succeed.
        InvalidRequest: Nothing would be left of the subscription.
    """
    before = copy.deepcopy({name: subscription[name] for name in ("items", "billing_cycle_anchor")})
    costs = any(change.costs for change in wanted)
    trial = subscription["status"] == "trialing"
    reset = (terms.reset or _changes_interval(work, wanted)) and not trial
    prorate = terms.proration != "none" and subscription["status"] in prorating.PRORATED
    if prorate:
        _credit_old(work, subscription, wanted, terms.moment, everything=reset)
    changed = list(_apply(work, subscription, wanted, terms.moment))
    if not subscription["items"]["data"]:
        raise InvalidRequest(
            "A subscription must have at least one active item; cancel it instead.", param="items"
        )
    drawn = restart(work, subscription, terms.moment) if reset else []
    if prorate and not reset:
        for item in changed:
            prorating.debit(work, subscription, item, terms.moment)
    subscriptions.keep(work, subscription)
    subscriptions.schedule_cycle(work, subscription)
    if drawn or (terms.proration == "always_invoice" and costs):
        bill_now(work, subscription, drawn, terms, before)


def _changes_interval(work: Work, wanted: list[Change]) -> bool:
    return any(
        _interval(work.get("price", change.old["price"])) != _interval(change.price)
        for change in wanted
        if change.old and change.price
    )


def _interval(price: Json) -> tuple[str, int]:
    return price["recurring"]["interval"], price["recurring"]["interval_count"]


def _credit_old(
    work: Work, subscription: Json, wanted: list[Change], moment: int, *, everything: bool
) -> None:
    touched = [change.old for change in wanted if change.old and change.costs]
    for item in subscription["items"]["data"] if everything else touched:
        prorating.credit(work, subscription, item, moment)


def _apply(work: Work, subscription: Json, wanted: list[Change], moment: int) -> Iterator[Json]:
    """Put the changes into the items; yields those that now cost something else."""
    items = subscription["items"]["data"]
    for change in wanted:
        if change.price is None:
            items.remove(change.old)
            continue
        item = change.old
        costs = change.costs
        if item is None:
            item = _added(work, subscription, change, moment)
            items.append(item)
        item |= {"price": change.price["id"], "plan": change.price["id"]}
        item["quantity"] = change.quantity
        if change.metadata is not None:
            item["metadata"] = change.metadata
        if costs:
            yield item


def _added(work: Work, subscription: Json, change: Change, moment: int) -> Json:
    if change.price is None:
        raise InvalidRequest("An item needs a price.", param="items")
    if subscription["status"] == "trialing":
        period = {"start": moment, "end": subscription["trial_end"]}
    else:
        anchor = subscription["billing_cycle_anchor"]
        period = subscription_creation.period_of(change.price, anchor, moment)
    wanted = {"quantity": change.quantity, "metadata": change.metadata, "_created": moment}
    return subscription_creation.new_item(work, subscription["id"], change.price, wanted, period)


def restart(work: Work, subscription: Json, moment: int) -> list[Json]:
    """Begin the cycle anew at a moment; returns the lines of the new periods."""
    subscription["billing_cycle_anchor"] = moment
    return [_restart_item(work, subscription, i, moment) for i in subscription["items"]["data"]]


def _restart_item(work: Work, subscription: Json, item: Json, moment: int) -> Json:
    period = subscription_creation.period_of(work.get("price", item["price"]), moment, moment)
    item |= {"current_period_start": period["start"], "current_period_end": period["end"]}
    return lines.subscription_line(work, subscription, item, **period, share=_ONE, free=False)


def end_trial(work: Work, subscription: Json, terms: Terms) -> None:
    """End a trial now, and bill the first paid period unless there is no card to charge."""
    before = copy.deepcopy({name: subscription[name] for name in ("items", "billing_cycle_anchor")})
    subscription["trial_end"] = terms.moment
    work.unschedule(subscription, "subscription.trial_will_end")
    if not renewals.trial_may_end(work, subscription):
        return
    drawn = restart(work, subscription, terms.moment)
    subscriptions.keep(work, subscription)
    subscriptions.schedule_cycle(work, subscription)
    bill_now(work, subscription, drawn, terms, before)


def extend_trial(work: Work, subscription: Json, until: int) -> None:
    """Put the end of the trial, and with it the cycle, to a later time."""
    now = subscriptions.now(work, subscription)
    subscription |= {"status": "trialing", "trial_end": until, "billing_cycle_anchor": until}
    subscription["trial_start"] = subscription["trial_start"] or now
    for item in subscription["items"]["data"]:
        item["current_period_end"] = until
    warning = max(now, until - subscriptions.TRIAL_WARNING)
    clock = subscription["test_clock"]
    work.schedule(subscription, "subscription.trial_will_end", warning, clock=clock)
    subscriptions.schedule_cycle(work, subscription)


def bill_now(work: Work, subscription: Json, drawn: list[Json], terms: Terms, before: Json) -> None:
    """Invoice new periods and pending prorations at once, and collect."""
    customer = work.get("customer", subscription["customer"])
    pending = invoices.pending_for(work, customer, subscription)
    if not drawn and not pending:
        return
    invoice = update_invoice(work, subscription, customer, drawn, terms.moment)
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
    elif terms.payment == "pending_if_incomplete":
        _try_pending(work, subscription, invoice, terms, before)
    else:
        _collect(work, subscription, invoice, terms)


def update_invoice(
    work: Work, subscription: Json, customer: Json, drawn: list[Json], moment: int | None = None
) -> Json:
    """The finalised invoice of a change."""
    values = subscription_creation.invoice_values(work, subscription, "subscription_update")
    values["parent"] = invoices.subscription_parent(subscription, moment)
    invoice = invoices.draft(work, customer, values, drawn)
    pending = invoices.pending_for(work, customer, subscription)
    invoices.take_pending(work, invoice, pending)
    subscription["latest_invoice"] = invoice["id"]
    subscriptions.keep(work, subscription)
    return invoices.finalize(work, invoice)


def _collect(work: Work, subscription: Json, invoice: Json, terms: Terms) -> None:
    if invoice["collection_method"] == "send_invoice":
        return
    method = invoice_collection.default_method(work, invoice)
    if terms.payment == "default_incomplete":
        subscription_creation.offer(work, invoice, method)
        if subscription["status"] == "active":
            subscription["status"] = "past_due"
        return
    if method is None and terms.payment == "error_if_incomplete":
        raise InvalidRequest(invoice_collection.NO_METHOD, code="resource_missing")
    invoice_collection.pay(work, invoice, method, off_session=terms.off_session)
    if terms.payment == "error_if_incomplete":
        subscription_creation.insist(work, invoice)


def _try_pending(work: Work, subscription: Json, invoice: Json, terms: Terms, before: Json) -> None:
    """Keep the subscription as it was until the invoice of the change is paid.

    Source: https://docs.stripe.com/billing/subscriptions/pending-updates.
    """
    expires = terms.moment + subscriptions.INCOMPLETE_FOR
    subscription["pending_update"] = {
        "billing_cycle_anchor": subscription["billing_cycle_anchor"],
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": expires,
        "metadata": None,
        "subscription_items": copy.deepcopy(subscription["items"]["data"]),
        "trial_end": None,
        "trial_from_plan": None,
    }
    subscription |= {**copy.deepcopy(before), "_pending_invoice": invoice["id"]}
    subscriptions.keep(work, subscription)
    method = invoice_collection.default_method(work, invoice)
    invoice_collection.pay(work, invoice, method, off_session=terms.off_session)
    if subscription["pending_update"]:
        clock = subscription["test_clock"]
        action = "subscription.pending_update_expires"
        work.schedule(subscription, action, expires, clock=clock)
        subscriptions.schedule_cycle(work, subscription)

"""Changes subscriptions: items with proration, the cycle, and what that costs now."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

from stripe_sandbox import changes
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice, InvoiceLine
from stripe_sandbox.objects.state import SubscriptionState
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.rules import (
    invoice_collection,
    invoice_lines,
    invoices,
    prorating,
    renewals,
    subscription_creation,
    subscriptions,
    taxes,
)
from stripe_sandbox.storage.kinds import CUSTOMER, PRICE
from stripe_sandbox.storage.store import Work


@dataclass(frozen=True)
class Change:
    """A change of one item: `old` is None for a new one, `price` for a removed one."""

    old: SubscriptionItem | None
    price: Price | None
    quantity: int
    # What else the request says about the item: `metadata`, `tax_rates`, `discounts`.
    wanted: Json

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
        moment: The time from which prorations are calculated.
        reset: Whether the billing cycle restarts.
        off_session: Whether the customer is absent.
    """

    proration: str
    payment: str
    moment: int
    reset: bool
    off_session: bool


def amend(work: Work, subscription: Subscription, wanted: list[Change], terms: Terms) -> None:
    """Change a subscription's items or cycle, and bill what the terms say is due now.

    Raises:
        CardError: `error_if_incomplete`, and the payment did not succeed.
        InvalidRequest: Nothing would be left of the subscription.
    """
    before = _billed_terms(subscription)
    costs = any(change.costs for change in wanted)
    trial = subscription["status"] == "trialing"
    flexible = subscription["billing_mode"]["type"] == "flexible"
    new_interval = _changes_interval(work, wanted) and not flexible
    reset = (terms.reset or new_interval) and not trial
    prorate = terms.proration != "none" and subscription["status"] in prorating.PRORATED
    if prorate:
        _credit_old(work, subscription, None if reset else wanted, terms.moment)
    changed = list(_apply(work, subscription, wanted, terms.moment))
    if not subscription["items"]["data"]:
        raise InvalidRequest(
            "A subscription must have at least one active item; cancel it instead.", param="items"
        )
    lines = restart(work, subscription, terms.moment) if reset else []
    if prorate and not reset:
        for item in changed:
            prorating.debit(work, subscription, item, terms.moment)
    subscriptions.save(work, subscription)
    subscriptions.schedule_cycle(work, subscription)
    if lines or (terms.proration == "always_invoice" and costs):
        bill_now(work, subscription, lines, terms, before)


def _changes_interval(work: Work, wanted: list[Change]) -> bool:
    return any(
        _interval(work.get(PRICE, change.old["price"])) != _interval(change.price)
        for change in wanted
        if change.old and change.price
    )


def _billed_terms(subscription: Subscription) -> Json:
    """What a pending update puts back until its invoice is paid."""
    return copy.deepcopy(
        {
            "items": subscription["items"],
            "billing_cycle_anchor": subscription["billing_cycle_anchor"],
            "status": subscription["status"],
            "trial_end": subscription["trial_end"],
        }
    )


def _interval(price: Price) -> tuple[str, int]:
    recurring = invoice_lines.recurring_of(price)
    return recurring["interval"], recurring["interval_count"]


def _credit_old(
    work: Work, subscription: Subscription, wanted: list[Change] | None, moment: int
) -> None:
    """Credit the unused time of the items that change; without changes, of all items."""
    items = subscription["items"]["data"]
    if wanted is not None:
        items = [change.old for change in wanted if change.old and change.costs]
    for item in items:
        prorating.credit(work, subscription, item, moment)


def _apply(
    work: Work, subscription: Subscription, wanted: list[Change], moment: int
) -> Iterator[SubscriptionItem]:
    """Apply the changes to the items; yields the items whose cost changed."""
    items = subscription["items"]["data"]
    for change in wanted:
        item, costs = change.old, change.costs
        if change.price is None:
            if item:
                items.remove(item)
            continue
        if item is None:
            item = subscription_creation.new_item(
                work, subscription, change.price, {}, created=moment
            )
            items.append(item)
        item |= {"price": change.price["id"], "plan": change.price["id"]}
        item["quantity"] = change.quantity
        if change.old and subscription["status"] != "trialing":
            _fit_period(subscription, item, change.price, moment)
        item["metadata"] = changes.metadata(item["metadata"], change.wanted)
        if "tax_rates" in change.wanted:
            param = "items[tax_rates]"
            item["tax_rates"] = taxes.chosen(work, change.wanted["tax_rates"], param=param)
        item["discounts"] = subscription_creation.item_discounts(
            work, subscription, item, change.wanted
        )
        if costs:
            yield item


def _fit_period(
    subscription: Subscription, item: SubscriptionItem, price: Price, moment: int
) -> None:
    """End an item's period as its price asks; a longer one goes on from where it began."""
    anchor, start = subscription["billing_cycle_anchor"], item["current_period_start"]
    period = subscription_creation.period_of(price, anchor, moment)
    item |= {
        "current_period_start": max(start, period["start"]),
        "current_period_end": period["end"],
    }


def restart(work: Work, subscription: Subscription, moment: int) -> list[InvoiceLine]:
    """Restart the billing cycle at a moment; returns the lines of the new periods."""
    subscription["billing_cycle_anchor"] = moment
    items = subscriptions.items_newest_first(subscription)
    return [_restart_item(work, subscription, item, moment) for item in items]


def _restart_item(
    work: Work, subscription: Subscription, item: SubscriptionItem, moment: int
) -> InvoiceLine:
    period = subscription_creation.period_of(work.get(PRICE, item["price"]), moment, moment)
    item |= {"current_period_start": period["start"], "current_period_end": period["end"]}
    return invoice_lines.subscription_line(work, subscription, item)


def end_trial(work: Work, subscription: Subscription, terms: Terms) -> None:
    """End a trial now, and bill the first paid period unless there is no card to charge."""
    before = _billed_terms(subscription)
    subscription["trial_end"] = terms.moment
    work.unschedule(subscription, "subscription.trial_will_end")
    if not renewals.trial_may_end(work, subscription):
        return
    lines = restart(work, subscription, terms.moment)
    subscriptions.save(work, subscription)
    subscriptions.schedule_cycle(work, subscription)
    bill_now(work, subscription, lines, terms, before)


def extend_trial(work: Work, subscription: Subscription, until: int) -> None:
    """Move the end of the trial, and with it the billing cycle, to a later time."""
    now = subscriptions.now(work, subscription)
    subscription |= {"status": "trialing", "trial_end": until, "billing_cycle_anchor": until}
    subscription["trial_start"] = subscription["trial_start"] or now
    for item in subscription["items"]["data"]:
        item["current_period_end"] = until
    warning = max(now, until - subscriptions.TRIAL_WARNING)
    clock = subscription["test_clock"]
    work.schedule(subscription, "subscription.trial_will_end", warning, clock=clock)
    subscriptions.schedule_cycle(work, subscription)


def bill_now(
    work: Work, subscription: Subscription, lines: list[InvoiceLine], terms: Terms, before: Json
) -> None:
    """Invoice new periods and pending prorations at once, and collect."""
    customer = work.get(CUSTOMER, subscription["customer"])
    pending = invoices.pending_for(work, customer, subscription)
    if not lines and not pending:
        return
    invoice = update_invoice(work, subscription, customer, lines)
    if invoice["amount_due"] == 0:
        invoice_collection.paid(work, invoice, 0)
    elif terms.payment == "pending_if_incomplete":
        _try_pending(work, subscription, invoice, terms, before)
    else:
        _collect(work, subscription, invoice, terms)


def update_invoice(
    work: Work,
    subscription: Subscription,
    customer: Customer,
    lines: list[InvoiceLine],
) -> Invoice:
    """The finalised invoice of a change."""
    values = subscription_creation.invoice_values(work, subscription, "subscription_update")
    pending = invoices.pending_for(work, customer, subscription)
    invoice = invoices.draft(work, customer, values, lines=lines, items=pending)
    subscription["latest_invoice"] = invoice["id"]
    subscriptions.save(work, subscription)
    return invoices.finalize(work, invoice)


def _collect(work: Work, subscription: Subscription, invoice: Invoice, terms: Terms) -> None:
    if invoice["collection_method"] == "send_invoice":
        return
    method = invoice_collection.default_method(work, invoice)
    if terms.payment == "default_incomplete":
        subscription_creation.present_payment(work, invoice, method)
        if subscription["status"] == "active":
            subscription["status"] = "past_due"
        return
    if method is None and terms.payment == "error_if_incomplete":
        raise InvalidRequest(invoice_collection.NO_METHOD, code="resource_missing")
    invoice_collection.pay(work, invoice, method, off_session=terms.off_session)
    if terms.payment == "error_if_incomplete":
        subscription_creation.require_paid(work, invoice)


def _try_pending(
    work: Work, subscription: Subscription, invoice: Invoice, terms: Terms, before: Json
) -> None:
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
        "trial_end": subscription["trial_end"]
        if subscription["trial_end"] != before["trial_end"]
        else None,
        "trial_from_plan": None,
    }
    changes.update(subscription, copy.deepcopy(before))
    work.state(subscription, SubscriptionState).pending_invoice = invoice["id"]
    subscriptions.save(work, subscription)
    method = invoice_collection.default_method(work, invoice)
    invoice_collection.pay(work, invoice, method, off_session=terms.off_session)
    if subscription["pending_update"]:
        clock = subscription["test_clock"]
        action = "subscription.pending_update_expires"
        work.schedule(subscription, action, expires, clock=clock)
        subscriptions.schedule_cycle(work, subscription)

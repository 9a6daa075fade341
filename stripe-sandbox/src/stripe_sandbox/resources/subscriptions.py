"""Subscriptions: creating, reading and canceling them."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, presents, retrieves
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources import prices, searching, tax_rates
from stripe_sandbox.resources import subscription_cycle as cycle
from stripe_sandbox.resources import subscription_terms as terms
from stripe_sandbox.rules import (
    discounts,
    invoice_lines,
    invoices,
    payment_methods,
    prorating,
    renewals,
    schedules,
    subscription_creation,
    subscription_updates,
    subscriptions,
    taxes,
)
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    DISCOUNT,
    PRICE,
    SUBSCRIPTION,
    SUBSCRIPTION_SCHEDULE,
)
from stripe_sandbox.storage.store import NOTHING, Except, Work
from stripe_sandbox.webhooks.events import emit

_MAX_ITEMS = 20


@presents("subscription")
def shown(work: Work, subscription: Json) -> Json:
    """Items show their whole price and plan, the subscription its default tax rates."""
    items = [shown_item(work, item) for item in subscription["items"]["data"]]
    for item in (subscription["pending_update"] or {}).get("subscription_items") or []:
        shown_item(work, item)
    single = items[0] if len(items) == 1 else {}
    return subscription | {
        "default_tax_rates": tax_rates.shown(work, subscription["default_tax_rates"]),
        "plan": single.get("plan"),
        "quantity": single.get("quantity"),
    }


@presents("subscription_item")
def shown_item(work: Work, item: Json) -> Json:
    """An item shows its whole price and plan, and its tax rates."""
    price = work.get(PRICE, item["price"])
    item |= {"price": present(work, price), "plan": prices.plan_of(price)}
    item["tax_rates"] = tax_rates.shown(work, item["tax_rates"])
    return item


@handles("subscriptions.create")
def create(call: Call) -> Thing:
    """Start a subscription and collect its first invoice."""
    return start(call.work, call.params)


def start(work: Work, params: Any) -> Subscription:
    """Start the subscription that parameters describe, and collect its first invoice."""
    customer = _customer(work, params)
    behavior = params.get("payment_behavior", "allow_incomplete")
    if behavior == "pending_if_incomplete":
        raise InvalidRequest(
            "`pending_if_incomplete` can only be used when updating a subscription.",
            param="payment_behavior",
        )
    subscription = new_subscription(work, customer, params)
    off_session = bool(params.get("off_session", False))
    prorate = params.get("proration_behavior", "create_prorations") != "none"
    for index, wanted in enumerate(params.get("add_invoice_items") or []):
        terms.add_invoice_item(work, subscription, wanted, f"add_invoice_items[{index}]")
    invoice = subscription_creation.first_invoice(work, subscription, customer, prorate=prorate)
    subscription_creation.collect_first(
        work, subscription, invoice, behavior=behavior, off_session=off_session
    )
    if invoice["amount_due"] == 0:
        subscription_creation.authorise(work, subscription, customer, off_session=off_session)
    subscription_creation.begin_schedule(work, subscription)
    emit(work, "customer.subscription.created", subscriptions.save(work, subscription))
    return subscription


def _customer(work: Work, params: Any) -> Customer:
    identifier = params.get("customer")
    if not identifier:
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    return work.referenced(CUSTOMER, identifier, param="customer")


def new_subscription(
    work: Work, customer: Customer, params: Any, *, bought: list[Price] | None = None
) -> Subscription:
    """Store the subscription that parameters describe; nothing is billed yet.

    Args:
        customer: The customer who subscribes.
        params: Those of `subscriptions.create`.
        bought: The price of each item, where it was checked before.

    Raises:
        InvalidRequest: A parameter is missing, or does not fit the others.
    """
    chosen = params.get("items") or []
    if not chosen:
        raise InvalidRequest(
            "Missing required param: items.", code="parameter_missing", param="items"
        )
    if len(chosen) > _MAX_ITEMS:
        raise InvalidRequest(f"A subscription has at most {_MAX_ITEMS} items.", param="items")
    if bought is None:
        bought = [terms.recurring_price(work, one, f"items[{i}]") for i, one in enumerate(chosen)]
    _check_currency(work, customer, bought[0]["currency"])
    now = work.now(customer["test_clock"])
    trial_end = terms.trial_end(params, bought, now)
    anchor = cycle.anchor_of(params, bought, now)
    values = _values(work, customer, params)
    identifier = work.ids.new("sub_")
    subscription = work.create(
        SUBSCRIPTION,
        {
            **values,
            "id": identifier,
            "billing_cycle_anchor": trial_end or anchor,
            "billing_cycle_anchor_config": params.get("billing_cycle_anchor_config"),
            "billing_mode": terms.billing_mode(params.get("billing_mode") or {}, now),
            "created": now,
            "currency": bought[0]["currency"],
            "items": {
                "object": "list",
                "data": [],
                "has_more": False,
                "total_count": 0,
                "url": f"/v1/subscription_items?subscription={identifier}",
            },
            "start_date": cycle.start_date_of(params, now),
            "status": "trialing" if trial_end else "active",
            "trial_end": trial_end,
            "trial_start": now if trial_end else None,
        },
    )
    _add_items(work, subscription, chosen, bought, now)
    if customer["currency"] is None:
        customer["currency"] = subscription["currency"]
        work.save(customer)
    amount = subscription_creation.amount_of_items(work, subscription)
    owner = discounts.owner_of(subscription, amount)
    subscription["discounts"] = discounts.redeem(work, params.get("discounts") or [], owner)
    terms.cancel_at(work, subscription, params)
    return subscriptions.save(work, subscription)


def _values(work: Work, customer: Customer, params: Any) -> Json:
    """The fields of a new subscription that follow from its parameters alone."""
    method = params.get("default_payment_method")
    if method:
        payment_methods.owned(work, method, customer, param="default_payment_method")
    collection = params.get("collection_method", "charge_automatically")
    if collection == "send_invoice" and params.get("days_until_due") is None:
        raise InvalidRequest(
            "You must specify `days_until_due` if the collection method is `send_invoice`.",
            code="parameter_missing",
            param="days_until_due",
        )
    automatic_tax = taxes.wanted(params)
    if automatic_tax:
        taxes.require_location(customer)
    return {
        "automatic_tax": taxes.automatic(enabled=automatic_tax),
        "billing_schedules": [],
        "cancellation_details": {},
        "collection_method": collection,
        "customer": customer["id"],
        "days_until_due": params.get("days_until_due"),
        "default_payment_method": method,
        "default_tax_rates": taxes.chosen(
            work, params.get("default_tax_rates"), param="default_tax_rates"
        ),
        "description": params.get("description"),
        "discounts": [],
        "invoice_settings": {"issuer": {"type": "self"}},
        "metadata": changes.metadata({}, params),
        "payment_settings": {
            "save_default_payment_method": "off",
            **terms.payment_settings(params),
        },
        "test_clock": customer["test_clock"],
        "trial_settings": terms.trial_settings(params),
    }


def _check_currency(work: Work, customer: Customer, currency: str) -> None:
    """Refuse a second currency while a customer pays in another one."""
    for other in work.all(SUBSCRIPTION, {"customer": customer["id"]}):
        if other["status"] not in subscriptions.ENDED and other["currency"] != currency:
            raise InvalidRequest(
                "You cannot combine currencies on a single customer. This customer has an active "
                f"subscription with currency {other['currency']}.",
                param="items",
            )


def _add_items(
    work: Work, subscription: Subscription, chosen: list[Json], prices: list[Price], now: int
) -> None:
    for wanted, price in zip(chosen, prices, strict=True):
        if price["currency"] != subscription["currency"]:
            raise InvalidRequest(
                "All prices on a subscription must use the same currency.", param="items"
            )
        # Refused now: at the end of a trial no request is there to be answered.
        invoice_lines.amount_of(price, wanted.get("quantity", 1))
        item = subscription_creation.new_item(work, subscription, price, wanted, created=now)
        subscription["items"]["data"].append(item)


retrieves("subscriptions.retrieve", SUBSCRIPTION)


@handles("subscriptions.cancel")
def cancel(call: Call) -> Thing:
    """Cancel a subscription now."""
    work, params = call.work, call.params
    subscription = work.find(SUBSCRIPTION, call.id)
    if subscription is None or subscription["status"] in subscriptions.ENDED:
        raise ResourceMissing("subscription", call.id, param="id")
    if params.get("prorate") and subscription["status"] in prorating.PRORATED:
        moment = subscriptions.now(work, subscription)
        for item in subscription["items"]["data"]:
            prorating.credit(work, subscription, item, moment)
    schedule = work.find(SUBSCRIPTION_SCHEDULE, subscription["schedule"])
    if schedule:
        subscription["schedule"] = None
        schedules.cancel(work, schedule)
    details = changes.given(params.get("cancellation_details") or {}, "comment", "feedback")
    invoice_now = params.get("invoice_now")
    subscriptions.end(work, subscription, reason="cancellation_requested", details=details)
    if invoice_now:
        _bill_pending(work, subscription)
    return subscription


def _bill_pending(work: Work, subscription: Subscription) -> None:
    customer = work.get(CUSTOMER, subscription["customer"])
    if invoices.pending_for(work, customer, subscription):
        invoice = subscription_updates.update_invoice(work, subscription, customer, [])
        renewals.collect(work, invoice)


@handles("subscriptions.list")
def list_subscriptions(call: Call) -> Thing:
    """Subscriptions, newest first; without a status those that are not canceled."""
    params = call.params
    where = {name: params.get(name) for name in ("customer", "collection_method", "test_clock")}
    if not params.get("customer") and not params.get("test_clock"):
        where["test_clock"] = NOTHING
    if params.get("customer") and call.work.find_any(params["customer"]) is None:
        # A deleted customer still has its list.
        call.work.referenced(CUSTOMER, params["customer"], param="customer")
    where["items.data.price"] = params.get("price") or params.get("plan")
    status = params.get("status")
    if status is None:
        where["status"] = Except("canceled")
    elif status == "ended":
        where["status"] = sorted(subscriptions.ENDED)
    elif status != "all":
        where["status"] = status
    return page(call, SUBSCRIPTION, where)


@handles("subscriptions.search")
def search(call: Call) -> Thing:
    """Subscriptions by status, creation or metadata."""
    return searching.search(call, SUBSCRIPTION)


@handles("subscriptions.delete_discount")
def delete_discount(call: Call) -> Thing:
    """Remove all discounts from a subscription."""
    subscription = call.work.get(SUBSCRIPTION, call.id)
    if not subscription["discounts"]:
        raise ResourceMissing("discount", call.id, param="id")
    discount = call.work.get(DISCOUNT, subscription["discounts"][-1])
    subscription["discounts"] = []
    emit(call.work, "customer.discount.deleted", discount)
    subscriptions.changed(call.work, subscription)
    return {**discount, "deleted": True}

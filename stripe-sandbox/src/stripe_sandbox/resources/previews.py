"""Invoice previews: what would be billed, without billing it."""

from stripe_sandbox import changes
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources.subscription_updates import update_live
from stripe_sandbox.resources.subscriptions import new_subscription
from stripe_sandbox.rules import invoices, renewals, subscription_creation, subscriptions, taxes
from stripe_sandbox.storage.kinds import CUSTOMER, INVOICE, SUBSCRIPTION
from stripe_sandbox.storage.store import Work

_DETAILS = (
    "billing_cycle_anchor",
    "billing_mode",
    "cancel_at",
    "cancel_at_period_end",
    "cancel_now",
    "items",
    "metadata",
    "proration_behavior",
    "proration_date",
    "trial_end",
)
# What says something of a subscription that exists alone.
_OF_CHANGES = {"cancel_now", "proration_date"}
_NOTHING = "No upcoming invoices for customer"


@handles("invoices.create_preview")
def create_preview(call: Call) -> Thing:
    """The invoice that a subscription, a change to it, or a customer would get next."""
    work, params = call.work, call.params
    names = ("automatic_tax", "subscription", "customer", "subscription_details", "discounts")
    asked = {name: params.get(name) for name in names}
    if params.get("preview_mode", "next") != "next":
        raise NotCovered("previews of recurring amounts", param="preview_mode")
    with work.rolled_back():
        invoice = _preview(work, asked)
    return renewals.preview_of(work, invoice)


def _preview(work: Work, asked: Json) -> Invoice:
    details = asked["subscription_details"] or {}
    changes.only(details, *_DETAILS, path="subscription_details")
    if asked["subscription"]:
        subscription = work.referenced(SUBSCRIPTION, asked["subscription"], param="subscription")
        if asked["discounts"] is not None:
            details = {**details, "discounts": asked["discounts"]}
        if asked["automatic_tax"] is not None:
            details = {**details, "automatic_tax": asked["automatic_tax"]}
        return _of_subscription(work, subscription, details)
    if not asked["customer"]:
        raise InvalidRequest(
            "You must specify `customer` or `subscription`.",
            code="parameter_missing",
            param="customer",
        )
    customer = work.referenced(CUSTOMER, asked["customer"], param="customer")
    if details.get("items"):
        return _of_new(work, customer, details, asked)
    return _of_customer(work, customer, asked)


def _of_new(work: Work, customer: Customer, details: Json, asked: Json) -> Invoice:
    params = {**details, **{name: asked[name] for name in ("automatic_tax", "discounts")}}
    params["customer"] = customer["id"]
    changes.only(details, *(set(_DETAILS) - _OF_CHANGES), path="subscription_details")
    # A new subscription's cycle begins now, whichever of the two types is named.
    anchor = params.pop("billing_cycle_anchor", None) or {}
    changes.only(anchor, "type", path="subscription_details[billing_cycle_anchor]")
    subscription = new_subscription(work, customer, params)
    return subscription_creation.first_invoice(work, subscription, customer, prorate=True)


def _of_customer(work: Work, customer: Customer, asked: Json) -> Invoice:
    pending = invoices.pending_items(work, customer, None, currency=customer["currency"])
    if not pending:
        raise InvalidRequest(_NOTHING, code="invoice_upcoming_none")
    currency = pending[0]["currency"]
    pending = [item for item in pending if item["currency"] == currency]
    tax = taxes.wanted(asked)
    if tax:
        taxes.require_location(customer)
    values: Json = {"billing_reason": "upcoming", "currency": currency, "discounts": []}
    values["automatic_tax"] = taxes.automatic(enabled=tax)
    return invoices.draft(work, customer, values, items=pending)


def _of_subscription(work: Work, subscription: Subscription, details: Json) -> Invoice:
    if subscription["status"] in subscriptions.ENDED or details.get("cancel_now"):
        raise InvalidRequest(_NOTHING, code="invoice_upcoming_none")
    before = subscription["latest_invoice"]
    if details:
        _change(work, subscription, details)
    if subscription["latest_invoice"] != before:
        # The change would be invoiced at once; that invoice is the preview.
        invoice = work.get(INVOICE, subscription["latest_invoice"])
        at = details.get("proration_date") or subscriptions.now(work, subscription)
        if invoice["parent"] and invoice["parent"]["subscription_details"]:
            invoice["parent"]["subscription_details"]["subscription_proration_date"] = at
        return invoice
    if renewals.ends_before_renewal(subscription):
        raise InvalidRequest(_NOTHING, code="invoice_upcoming_none")
    return renewals.next_invoice(work, subscription)


def _change(work: Work, subscription: Subscription, details: Json) -> None:
    """Make the change without a charge: `default_incomplete` leaves the invoice open."""
    wanted = {"payment_behavior": "default_incomplete", **details}
    if "metadata" in wanted:
        wanted["metadata"] = changes.metadata({}, wanted)
    update_live(work, subscription, wanted)

"""Updates of subscriptions: fields, items, trials, pauses."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import slice_page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.subscriptions import Subscription, SubscriptionItem
from stripe_sandbox.resources.subscription_terms import (
    ITEM_FIELDS,
    add_invoice_item,
    cancel_at,
    check_trial_end,
    payment_settings,
    recurring_price,
    trial_settings,
)
from stripe_sandbox.rules import (
    discounts,
    invoice_lines,
    payment_methods,
    pending_updates,
    schedules,
    subscription_creation,
    subscription_updates,
    subscriptions,
    taxes,
)
from stripe_sandbox.rules.subscription_updates import Change, Terms
from stripe_sandbox.storage.kinds import CUSTOMER, DISCOUNT, PRICE, SUBSCRIPTION
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# Source: https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses.
_CHANGEABLE_WHILE_INCOMPLETE = {"default_payment_method", "expand", "metadata", "payment_settings"}

_FINISHED = "A canceled subscription can only update its cancellation_details and metadata."


@handles("subscriptions.update")
def update(call: Call) -> Thing:
    """Change a subscription."""
    work = call.work
    subscription = work.get(SUBSCRIPTION, call.id)
    if subscription["status"] in subscriptions.ENDED:
        _update_ended(subscription, call.params)
    else:
        check_changeable(subscription, set(call.params))
        update_live(work, subscription, call.params)
    subscriptions.changed(work, subscription)
    return subscription


def _update_ended(subscription: Subscription, params: Any) -> None:
    if set(params) - {"metadata", "cancellation_details", "expand"}:
        raise InvalidRequest(_FINISHED, code="invalid_canceled_subscription_fields")
    _details(subscription, params)
    subscription["metadata"] = changes.metadata(subscription["metadata"], params)


def check_changeable(subscription: Subscription, names: set[str]) -> None:
    """Refuse changes that a subscription's status does not allow.

    Raises:
        InvalidRequest: It is canceled or expired, or its first payment is not complete.
    """
    status = subscription["status"]
    if status in subscriptions.ENDED:
        raise InvalidRequest(_FINISHED, code="invalid_canceled_subscription_fields")
    if status == "incomplete" and names - _CHANGEABLE_WHILE_INCOMPLETE:
        raise InvalidRequest(
            "A subscription with a status of incomplete can only update its metadata, "
            "default_payment_method and payment_settings.",
            param=min(names - _CHANGEABLE_WHILE_INCOMPLETE),
        )


def update_live(work: Work, subscription: Subscription, params: Any) -> None:
    """Apply update parameters to a subscription that has not ended."""
    for name in ("cancel_at", "cancel_at_period_end"):
        if params.get(name):
            schedules.refuse_if_managed(subscription, param=name)
    terms = terms_of(work, subscription, params)
    if terms.payment == "pending_if_incomplete":
        pending_updates.check(subscription, set(params))
    before = pending_updates.deferrable(subscription)
    wanted = changes_of(work, subscription, params.get("items") or [])
    _fields(work, subscription, params)
    for index, one in enumerate(params.get("add_invoice_items") or []):
        add_invoice_item(work, subscription, one, f"add_invoice_items[{index}]")
    trial_end = params.get("trial_end")
    if trial_end == "now" and subscription["status"] == "trialing":
        subscription_updates.amend(work, subscription, wanted, terms)
        subscription_updates.end_trial(work, subscription, terms)
    elif isinstance(trial_end, int):
        _extend(work, subscription, trial_end)
        subscription_updates.amend(work, subscription, wanted, terms)
    elif wanted or terms.reset:
        subscription_updates.amend(work, subscription, wanted, terms)
    cancel_at(work, subscription, params)
    if subscription["pending_update"] and terms.payment == "pending_if_incomplete":
        pending_updates.defer(work, subscription, before)


def _extend(work: Work, subscription: Subscription, until: int) -> None:
    check_trial_end(until, subscriptions.now(work, subscription))
    subscription_updates.extend_trial(work, subscription, until)


def terms_of(work: Work, subscription: Subscription, params: Any) -> Terms:
    """How a request asks for its change to be billed."""
    moment = moment_of(work, subscription, params)
    anchor = params.get("billing_cycle_anchor") or {}
    return Terms(
        proration=params.get("proration_behavior", "create_prorations"),
        payment=params.get("payment_behavior", "allow_incomplete"),
        moment=moment,
        reset=anchor.get("type") == "now",
        off_session=bool(params.get("off_session", False)),
    )


def moment_of(work: Work, subscription: Subscription, params: Any) -> int:
    """The time from which prorations are calculated."""
    at = params.get("proration_date")
    if at is None:
        return subscriptions.now(work, subscription)
    items = subscription["items"]["data"]
    start = min(item["current_period_start"] for item in items)
    end = max(item["current_period_end"] for item in items)
    if not start <= at <= end:
        raise InvalidRequest(
            "Cannot specify a proration date outside of the subscription's current period.",
            param="proration_date",
        )
    return int(at)


def changes_of(work: Work, subscription: Subscription, wanted: list[Json]) -> list[Change]:
    """The changes that a request's `items` describe.

    Raises:
        ResourceMissing: An item is not one of the subscription's.
        InvalidRequest: An item is named twice, or one without an id is to be deleted.
    """
    named = [one["id"] for one in wanted if one.get("id")]
    if len(set(named)) < len(named):
        raise InvalidRequest("Each subscription item can be changed once.", param="items")
    return [_change(work, subscription, one, index) for index, one in enumerate(wanted)]


def _change(work: Work, subscription: Subscription, wanted: Json, index: int) -> Change:
    path = f"items[{index}]"
    changes.only(wanted, *ITEM_FIELDS, "clear_usage", path=path)
    old = None
    if wanted.get("id"):
        items = subscription["items"]["data"]
        old = next((item for item in items if item["id"] == wanted["id"]), None)
        if old is None:
            raise ResourceMissing(
                "subscription item", wanted["id"], param=f"{path}[id]", status=400
            )
    if wanted.get("deleted") and old is None:
        raise InvalidRequest(
            f"Missing required param: {path}[id].", code="parameter_missing", param=f"{path}[id]"
        )
    if wanted.get("deleted"):
        return Change(old, None, 0, {})
    named = wanted.get("price") or wanted.get("price_data") or wanted.get("plan")
    if named or old is None:
        price = recurring_price(work, wanted, path)
    else:
        price = work.get(PRICE, old["price"])
    if price["currency"] != subscription["currency"]:
        raise InvalidRequest(
            "All prices on a subscription must use the same currency.", param=f"{path}[price]"
        )
    # Source: the SDK's text on `price`: another price sets the quantity to 1 unless it is given.
    is_same = old is not None and price["id"] == old["price"]
    quantity = wanted.get("quantity", old["quantity"] if old and is_same else 1)
    # Refused now: at the next renewal no request is there to be answered.
    invoice_lines.amount_of(price, quantity)
    return Change(old, price, quantity, wanted)


def _fields(work: Work, subscription: Subscription, params: Any) -> None:
    customer = work.get(CUSTOMER, subscription["customer"])
    method = params.get("default_payment_method")
    if method:
        payment_methods.owned(work, method, customer, param="default_payment_method")
    names = ("collection_method", "days_until_due", "default_payment_method", "description")
    if params.get("payment_settings"):
        known, settings = subscription["payment_settings"], payment_settings(params)
        subscription["payment_settings"] = {**(known or {}), **settings}
    if params.get("trial_settings"):
        subscription["trial_settings"] = trial_settings(params)
    changes.apply(subscription, params, *names)
    if "default_tax_rates" in params:
        subscription["default_tax_rates"] = taxes.chosen(
            work, params["default_tax_rates"], param="default_tax_rates"
        )
    if params.get("automatic_tax"):
        enabled = taxes.wanted(params)
        if enabled:
            taxes.require_location(customer)
        subscription["automatic_tax"] = taxes.automatic(enabled=enabled)
    _details(subscription, params)
    _discounts(work, subscription, params)
    _pause_collection(work, subscription, params)


def _details(subscription: Subscription, params: Any) -> None:
    details = params.get("cancellation_details") or {}
    changes.update(
        subscription["cancellation_details"], changes.given(details, "comment", "feedback")
    )


def _discounts(work: Work, subscription: Subscription, params: Any) -> None:
    if "discounts" not in params:
        return
    kept = {one.get("discount") for one in params["discounts"] or []}
    for identifier in subscription["discounts"]:
        if identifier not in kept:
            emit(work, "customer.discount.deleted", work.get(DISCOUNT, identifier))
    amount = subscription_creation.amount_of_items(work, subscription)
    owner = discounts.owner_of(subscription, amount)
    subscription["discounts"] = discounts.redeem(work, params["discounts"] or [], owner)


def _pause_collection(work: Work, subscription: Subscription, params: Any) -> None:
    if "pause_collection" not in params:
        return
    wanted = params["pause_collection"]
    if wanted == "":
        subscription["pause_collection"] = None
        work.unschedule(subscription, "subscription.resume_collection")
        return
    resumes = wanted.get("resumes_at")
    subscription["pause_collection"] = {"behavior": wanted["behavior"], "resumes_at": resumes}
    if resumes:
        clock = subscription["test_clock"]
        work.schedule(subscription, "subscription.resume_collection", resumes, clock=clock)


@handles("subscription_items.create")
def create_item(call: Call) -> Thing:
    """Add an item to a subscription."""
    work = call.work
    identifier = call.params["subscription"]
    subscription = work.referenced(SUBSCRIPTION, identifier, param="subscription")
    names = ("price", "price_data", "plan", "quantity", "metadata", "discounts", "tax_rates")
    _amend(call, subscription, changes.given(call.params, *names))
    return subscription["items"]["data"][-1]


@handles("subscription_items.retrieve")
def retrieve_item(call: Call) -> Thing:
    """One item of a subscription."""
    return _item(call)[1]


@handles("subscription_items.update")
def update_item(call: Call) -> Thing:
    """Change an item's price, quantity or metadata."""
    subscription, item = _item(call)
    names = ("price", "price_data", "plan", "quantity", "metadata", "discounts", "tax_rates")
    _amend(call, subscription, {"id": item["id"], **changes.given(call.params, *names)})
    return item


@handles("subscription_items.delete")
def delete_item(call: Call) -> Thing:
    """Remove an item from its subscription."""
    subscription, item = _item(call)
    call.params.get("clear_usage")
    _amend(call, subscription, {"id": item["id"], "deleted": True})
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


@handles("subscription_items.list")
def list_items(call: Call) -> Thing:
    """The items of a subscription."""
    identifier = call.params["subscription"]
    subscription = call.work.referenced(SUBSCRIPTION, identifier, param="subscription")
    return slice_page(call, subscription["items"]["data"], "subscription item")


def _amend(call: Call, subscription: Subscription, wanted: Json) -> None:
    check_changeable(subscription, {"items"})
    terms = terms_of(call.work, subscription, call.params)
    change = _change(call.work, subscription, wanted, 0)
    subscription_updates.amend(call.work, subscription, [change], terms)
    subscriptions.changed(call.work, subscription)


def _item(call: Call) -> tuple[Subscription, SubscriptionItem]:
    for subscription in call.work.all(SUBSCRIPTION, {"items.data.id": call.id}):
        for item in subscription["items"]["data"]:
            if item["id"] == call.id:
                return subscription, item
    raise ResourceMissing("subscription_item", call.id, param="id")

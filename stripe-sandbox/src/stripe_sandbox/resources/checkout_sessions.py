"""Checkout sessions: created by the API, completed on the hosted page."""

from collections.abc import Callable
from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import list_object, page, slice_page
from stripe_sandbox.api.registry import Call, handles, includes, retrieves
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import CardError, InvalidRequest, NotCovered
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice
from stripe_sandbox.objects.payments import PaymentIntent, PaymentMethod, SetupIntent
from stripe_sandbox.objects.sessions import CheckoutSession
from stripe_sandbox.objects.state import CheckoutSessionState
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources import customers
from stripe_sandbox.resources.subscription_terms import inline_price, recurring_price
from stripe_sandbox.resources.subscriptions import new_subscription
from stripe_sandbox.rules import (
    checkout,
    invoice_lines,
    invoices,
    payment_methods,
    payments,
    setups,
    subscription_creation,
    subscriptions,
)
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import CHECKOUT_SESSION, CUSTOMER, PRICE, PRODUCT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_LIVES_FOR = 24 * 3600
_SUBSCRIPTION_DATA = (
    "billing_cycle_anchor",
    "billing_mode",
    "description",
    "metadata",
    "proration_behavior",
    "trial_end",
    "trial_period_days",
    "trial_settings",
)
_INTENT_FIELDS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
)


@handles("checkout.sessions.create")
def create(call: Call) -> Thing:
    """A session with the address of its page."""
    work, params = call.work, call.params
    mode = params.get("mode", "payment")
    _check(work, params, mode)
    items = _items(work, params.get("line_items") or [], mode)
    state = CheckoutSessionState(
        items=items,
        subscription_data=params.get("subscription_data") or {},
        discounts=params.get("discounts") or [],
        payment_intent_data=_intent_values(params.get("payment_intent_data") or {}),
    )
    if mode == "subscription":
        _price_first_invoice(work, params.get("customer"), state)
    subtotal = sum(item["amount_subtotal"] for item in items)
    amount = sum(item["amount_total"] for item in items)
    identifier = work.ids.new("cs_test_")
    now = work.now()
    ui_mode = params.get("ui_mode", "hosted_page")
    hosted = ui_mode == "hosted_page"
    session = work.create(
        CHECKOUT_SESSION,
        {
            "id": identifier,
            "adaptive_pricing": {"enabled": False},
            "amount_subtotal": None if mode == "setup" else subtotal,
            "amount_total": None if mode == "setup" else amount,
            "automatic_tax": {"enabled": False},
            "created": now,
            "client_secret": None if hosted else f"{identifier}_secret_{work.ids.text(40)}",
            "currency": _currency(params.get("currency"), items),
            "custom_fields": [],
            "customer_creation": params.get("customer_creation"),
            "expires_at": params.get("expires_at", now + _LIVES_FOR),
            "metadata": changes.metadata({}, params),
            "mode": mode,
            "payment_method_collection": params.get("payment_method_collection", "always"),
            "payment_method_types": ["card"],
            "payment_status": "unpaid" if amount else "no_payment_required",
            "shipping_options": [],
            "status": "open",
            "total_details": {
                "amount_discount": subtotal - amount,
                "amount_shipping": 0,
                "amount_tax": 0,
            },
            "ui_mode": ui_mode,
            "url": f"{work.public_url}/hosted/checkout/{identifier}" if hosted else None,
            **_plain(params),
        },
    )
    work.set_state(session, state)
    work.schedule(session, "checkout.expire", session["expires_at"], clock=None)
    return session


def _currency(named: str | None, items: list[Json]) -> str | None:
    wanted = {item["currency"] for item in items} | ({named.lower()} if named else set())
    if len(wanted) > 1:
        raise InvalidRequest("All line items must use the same currency.", param="currency")
    return wanted.pop() if wanted else None


def _intent_values(data: Json) -> Json:
    """The fields of the session's payment intent that `payment_intent_data` sets."""
    unknown = [name for name in data if name not in (*_INTENT_FIELDS, "metadata")]
    if unknown:
        path = f"payment_intent_data[{unknown[0]}]"
        raise NotCovered(f"the parameter `{path}` of checkout.sessions.create", param=path)
    return changes.given(data, *_INTENT_FIELDS) | {"metadata": changes.metadata({}, data)}


def _plain(params: Any) -> Json:
    return changes.given(
        params,
        "billing_address_collection",
        "cancel_url",
        "client_reference_id",
        "customer",
        "customer_email",
        "locale",
        "return_url",
        "submit_type",
        "success_url",
    )


def _check(work: Work, params: Any, mode: str) -> None:
    hosted = params.get("ui_mode", "hosted_page") == "hosted_page"
    if hosted and not params.get("success_url"):
        raise InvalidRequest(
            "Missing required param: success_url.", code="parameter_missing", param="success_url"
        )
    if mode != "setup" and not params.get("line_items"):
        raise InvalidRequest(
            "Missing required param: line_items.", code="parameter_missing", param="line_items"
        )
    if params.get("customer"):
        work.referenced(CUSTOMER, params["customer"], param="customer")
    _check_expiry(work, params)
    _check_covered(params, mode)
    wanted = params.get("subscription_data") or {}
    changes.only(wanted, *_SUBSCRIPTION_DATA, path="subscription_data")
    if mode == "setup" and not params.get("currency") and not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: currency.", code="parameter_missing", param="currency"
        )


def _check_covered(params: Any, mode: str) -> None:
    """Refuse parameters that the page would ignore."""
    if params.get("allow_promotion_codes"):
        raise NotCovered("promotion codes entered at Checkout", param="allow_promotion_codes")
    if params.get("payment_method_collection") == "if_required":
        raise NotCovered("Checkout without a card", param="payment_method_collection")
    if params.get("discounts") and mode != "subscription":
        raise NotCovered("discounts of one-time payments", param="discounts")


def _check_expiry(work: Work, params: Any) -> None:
    now, at = work.now(), params.get("expires_at")
    if at is not None and not now + 1800 <= at <= now + _LIVES_FOR:
        raise InvalidRequest(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
            "Session creation.",
            param="expires_at",
        )


def _items(work: Work, wanted: list[Json], mode: str) -> list[Json]:
    return [_item(work, one, index, mode) for index, one in enumerate(wanted)]


def _item(work: Work, wanted: Json, index: int, mode: str) -> Json:
    path = f"line_items[{index}]"
    changes.only(wanted, "price", "price_data", "quantity", "metadata", path=path)
    price = recurring_price(work, wanted, path) if mode == "subscription" else None
    price = price or _one_time_price(work, wanted, path)
    product = work.find(PRODUCT, price["product"])
    quantity = wanted.get("quantity", 1)
    amount = invoice_lines.amount_of(price, quantity)
    return response_shapes.new(
        "item",
        {
            "id": work.ids.new("li_"),
            "amount_discount": 0,
            "amount_subtotal": amount,
            "amount_tax": 0,
            "amount_total": amount,
            "currency": price["currency"],
            "description": product["name"] if product else None,
            "discounts": [],
            "metadata": wanted.get("metadata") or {},
            "price": price["id"],
            "quantity": quantity,
            "taxes": [],
        },
    )


def _one_time_price(work: Work, wanted: Json, path: str) -> Price:
    if wanted.get("price_data"):
        price = inline_price(work, wanted["price_data"], path)
    else:
        price = work.referenced(PRICE, wanted.get("price", ""), param=f"{path}[price]")
    if price["recurring"]:
        raise InvalidRequest(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            param=f"{path}[price]",
        )
    return price


def _price_first_invoice(work: Work, customer: str | None, state: CheckoutSessionState) -> None:
    """Set the items' amounts to those of the first invoice, with trials and discounts."""
    with work.rolled_back():
        buyer = work.get(CUSTOMER, customer) if customer else customers.make(work, {})
        subscription, invoice = _begin(work, buyer, state)
    lines_by_item = {
        line["parent"]["subscription_item_details"]["subscription_item"]: line
        for line in invoice["lines"]["data"]
        if line["parent"]["type"] == "subscription_item_details"
    }
    for item, subscribed in zip(state.items, subscription["items"]["data"], strict=True):
        line = lines_by_item.get(subscribed["id"])
        amount = line["amount"] if line else 0
        off = sum(one["amount"] for one in line["discount_amounts"]) if line else 0
        item |= {"amount_subtotal": amount, "amount_discount": off, "amount_total": amount - off}


def _begin(
    work: Work, customer: Customer, state: CheckoutSessionState, *, method: str | None = None
) -> tuple[Subscription, Invoice]:
    """Create the subscription that a session is for, and its first invoice."""
    data = state.subscription_data
    wanted = {
        **data,
        "items": [{"price": item["price"], "quantity": item["quantity"]} for item in state.items],
        "default_payment_method": method,
        "discounts": state.discounts,
    }
    bought = [work.get(PRICE, item["price"]) for item in state.items]
    subscription = new_subscription(work, customer, wanted, bought=bought)
    prorate = data.get("proration_behavior", "create_prorations") != "none"
    return subscription, subscription_creation.first_invoice(
        work, subscription, customer, [], prorate=prorate
    )


def _shown_items(work: Work, session: CheckoutSession) -> list[Json]:
    return [
        {**item, "price": present(work, work.get(PRICE, item["price"]))}
        for item in work.state(session, CheckoutSessionState).items
    ]


@includes("checkout.session", "line_items")
def line_items(work: Work, session: CheckoutSession) -> Json:
    """The line items, shown when a caller expands them."""
    stored = work.get(CHECKOUT_SESSION, session["id"])
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return list_object(_shown_items(work, stored), url=url)


@handles("checkout.sessions.line_items.list")
def list_items(call: Call) -> Thing:
    """The line items of a session."""
    session = call.work.get(CHECKOUT_SESSION, call.id)
    return slice_page(call, _shown_items(call.work, session), "line item")


retrieves("checkout.sessions.retrieve", CHECKOUT_SESSION)


@handles("checkout.sessions.update")
def update(call: Call) -> Thing:
    """Change a session's metadata."""
    session = call.work.get(CHECKOUT_SESSION, call.id)
    changes.apply(session, call.params)
    return call.work.save(session)


@handles("checkout.sessions.expire")
def expire(call: Call) -> Thing:
    """Close an open session."""
    session = call.work.get(CHECKOUT_SESSION, call.id)
    if session["status"] != "open":
        raise InvalidRequest(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
    checkout.expire(call.work, session)
    return session


@handles("checkout.sessions.list")
def list_sessions(call: Call) -> Thing:
    """Sessions, newest first."""
    names = ("customer", "subscription", "payment_intent", "status")
    return page(call, CHECKOUT_SESSION, {name: call.params.get(name) for name in names})


def complete(work: Work, session: CheckoutSession, method: PaymentMethod) -> Thing:
    """Pay, subscribe or save a card, as the button of the hosted page does.

    Args:
        work: The unit of work.
        session: An open session.
        method: A payment method that is not attached yet.

    Returns:
        The intent that was attempted. With a status of `requires_action`, the
        session completes once 3-D Secure succeeds.

    Raises:
        CardError: The card was declined; the session stays open.
        InvalidRequest: The session is not open.
    """
    if session["status"] != "open":
        raise InvalidRequest(f"This Checkout Session has a status of {session['status']}.")
    checkout.undo_attempt(work, session)
    customer = _customer(work, session)
    attempt = _ATTEMPTS[session["mode"]]
    intent = attempt(work, session, customer, method)
    work.save(session)
    if intent is None or intent["status"] == "succeeded":
        if intent:
            checkout.keep_card(work, session, intent)
        checkout.finish(work, session)
    return intent or session


def _customer(work: Work, session: CheckoutSession) -> Customer | None:
    if session["customer"]:
        return work.get(CUSTOMER, session["customer"])
    if session["mode"] == "payment" and session["customer_creation"] != "always":
        return None
    customer = customers.make(work, {"email": session["customer_email"]})
    emit(work, "customer.created", customer)
    session["customer"] = customer["id"]
    return customer


def _pay(
    work: Work, session: CheckoutSession, customer: Customer | None, method: PaymentMethod
) -> PaymentIntent:
    intent = payments.new_intent(
        work,
        {
            **work.state(session, CheckoutSessionState).payment_intent_data,
            "amount": session["amount_total"],
            "currency": session["currency"],
            "customer": customer["id"] if customer else None,
        },
    )
    session["payment_intent"] = intent["id"]
    payments.attempt(work, intent, method, off_session=False)
    if intent["status"] == "requires_payment_method":
        raise _nothing_kept(payments.declined(work, intent))
    return intent


def _set_up(
    work: Work, session: CheckoutSession, customer: Customer | None, method: PaymentMethod
) -> SetupIntent:
    values = {"customer": customer["id"] if customer else None}
    intent = setups.new_intent(work, values)
    session["setup_intent"] = intent["id"]
    setups.attempt(work, intent, method)
    if intent["status"] == "requires_payment_method":
        raise _nothing_kept(setups.declined(work, intent))
    return intent


def _subscribe(
    work: Work, session: CheckoutSession, customer: Customer | None, method: PaymentMethod
) -> PaymentIntent | None:
    if customer is None:
        raise LookupError("a session that subscribes has a customer")
    payment_methods.attach(work, method, customer)
    state = work.state(session, CheckoutSessionState)
    subscription, invoice = _begin(work, customer, state, method=method["id"])
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    subscription_creation.collect_first(
        work, subscription, invoice, behavior="allow_incomplete", off_session=False
    )
    subscription_creation.begin_schedule(work, subscription)
    intent = invoices.intent_of(work, invoice)
    if intent and intent["status"] == "requires_payment_method":
        raise _nothing_kept(payments.declined(work, intent))
    emit(work, "customer.subscription.created", subscriptions.save(work, subscription))
    return intent


def _nothing_kept(refusal: CardError) -> CardError:
    """A declined payment leaves the session open; nothing else is stored."""
    refusal.keeps_work = False
    return refusal


_Attempt = Callable[
    [Work, CheckoutSession, Customer | None, PaymentMethod], PaymentIntent | SetupIntent | None
]
_ATTEMPTS: dict[str, _Attempt] = {"payment": _pay, "setup": _set_up, "subscription": _subscribe}

"""What a Checkout session sells: its totals, and what happens when the customer buys it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from stripe_sandbox.errors import CardError, InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.invoices import Invoice, InvoiceLine
from stripe_sandbox.objects.payments import PaymentIntent, PaymentMethod, SetupIntent
from stripe_sandbox.objects.sessions import CheckoutSession
from stripe_sandbox.objects.state import CheckoutSessionState
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources import customers
from stripe_sandbox.resources.subscriptions import new_subscription
from stripe_sandbox.rules import (
    checkout,
    discounts,
    invoice_collection,
    invoice_lines,
    invoices,
    payment_methods,
    payments,
    prorating,
    setups,
    subscription_creation,
    subscriptions,
    taxes,
)
from stripe_sandbox.storage.index import Bounds, Condition
from stripe_sandbox.storage.kinds import (
    CHECKOUT_SESSION,
    CUSTOMER,
    PRICE,
    PROMOTION_CODE,
    SETUP_INTENT,
)
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Intent = PaymentIntent | SetupIntent


class Bill(NamedTuple):
    """What a purchase costs: its invoice, and the line of each item that is bought."""

    invoice: Invoice
    lines: dict[str, InvoiceLine]


def reprice(work: Work, session: CheckoutSession) -> CheckoutSession:
    """Set the amounts of a session to what the customer would pay now.

    Returns:
        The session; one that was read before the call is out of date.
    """
    identifier, state = session["id"], work.state(session, CheckoutSessionState)
    if session["mode"] == "setup":
        return session
    with work.rolled_back():
        buyer = _prospect(work, session, state)
        located = taxes.location_of(buyer) is not None
        if session["mode"] == "subscription":
            bill = _begin(work, buyer, session, state, automatic_tax=located)[1]
        else:
            bill = _bill(work, buyer, session, state, automatic_tax=located)
    session = work.get(CHECKOUT_SESSION, identifier)
    work.set_state(session, state)
    for item in state.items:
        _set_amounts(item, bill.lines.get(item["id"]))
    if session["automatic_tax"]["enabled"]:
        status = "complete" if located else "requires_location_inputs"
        session["automatic_tax"]["status"] = status
    invoice = bill.invoice
    session |= {
        "amount_subtotal": sum(item["amount_subtotal"] for item in state.items),
        "amount_total": invoice["total"],
        "discounts": [
            {"coupon": one.get("coupon"), "promotion_code": one.get("promotion_code")}
            for one in state.discounts
        ],
        "payment_status": "unpaid" if invoice["total"] else "no_payment_required",
        "total_details": {
            "amount_discount": sum(one["amount"] for one in invoice["total_discount_amounts"]),
            "amount_shipping": 0,
            "amount_tax": taxes.sum_of(invoice["total_taxes"]),
        },
    }
    return work.save(session)


def _prospect(work: Work, session: CheckoutSession, state: CheckoutSessionState) -> Customer:
    """The customer as they will be; the caller rolls back what is made here."""
    known = work.find(CUSTOMER, session["customer"])
    buyer = known or customers.make(work, {"email": session["customer_email"]})
    if state.address:
        buyer["address"] = state.address
        work.save(buyer)
    return buyer


def _set_amounts(item: Json, line: InvoiceLine | None) -> None:
    amount = line["amount"] if line else 0
    off = sum(one["amount"] for one in line["discount_amounts"]) if line else 0
    item |= {
        "amount_subtotal": amount,
        "amount_discount": off,
        "amount_tax": taxes.sum_of(line["taxes"]) if line else 0,
        "amount_total": amount - off + (taxes.sum_of(line["taxes"], "exclusive") if line else 0),
    }


def _bought(state: CheckoutSessionState) -> list[Json]:
    return [item for item in state.items if item["quantity"]]


def _begin(
    work: Work,
    customer: Customer,
    session: CheckoutSession,
    state: CheckoutSessionState,
    *,
    automatic_tax: bool,
    method: str | None = None,
) -> tuple[Subscription, Bill]:
    """Create the subscription that a session is for, and its first invoice."""
    data, bought = state.subscription_data, _bought(state)
    wanted = {
        **data,
        "automatic_tax": {"enabled": automatic_tax and session["automatic_tax"]["enabled"]},
        "items": [
            {"price": item["price"], "quantity": item["quantity"]}
            | {"tax_rates": state.tax_rates.get(item["id"], [])}
            for item in bought
        ],
        "default_payment_method": method,
        "discounts": state.discounts,
    }
    prices = [work.get(PRICE, item["price"]) for item in bought]
    subscription = new_subscription(work, customer, wanted, bought=prices)
    prorate = data.get("proration_behavior", "create_prorations") != "none"
    invoice = subscription_creation.first_invoice(work, subscription, customer, prorate=prorate)
    lines = {
        line["parent"]["subscription_item_details"]["subscription_item"]: line
        for line in invoice["lines"]["data"]
        if line["parent"]["type"] == "subscription_item_details"
    }
    subscribed = [item["id"] for item in subscription["items"]["data"]]
    by_item = zip((item["id"] for item in bought), subscribed, strict=True)
    return subscription, Bill(invoice, {i: lines[s] for i, s in by_item if s in lines})


def _bill(
    work: Work,
    customer: Customer,
    session: CheckoutSession,
    state: CheckoutSessionState,
    *,
    automatic_tax: bool,
) -> Bill:
    """Create the draft invoice of a one-time purchase."""
    now = work.now(customer["test_clock"])
    pending = {}
    for item in _bought(state):
        price = work.get(PRICE, item["price"])
        amount = invoice_lines.amount_of(price, item["quantity"])
        values = {
            "amount": amount,
            "currency": price["currency"],
            "date": now,
            "description": item["description"],
            "discountable": True,
            "period": {"start": now, "end": now},
            "pricing": invoice_lines.pricing_of(price),
            "proration": False,
            "quantity": item["quantity"],
            "tax_rates": state.tax_rates.get(item["id"], []),
            "test_clock": customer["test_clock"],
        }
        made = prorating.pending_item(work, customer["id"], values)
        pending[item["id"]] = made
    currency, enabled = session["currency"] or "usd", session["automatic_tax"]["enabled"]
    amount = sum(made["amount"] for made in pending.values())
    owner = discounts.Owner(customer["id"], currency, customer["test_clock"], amount)
    invoice = invoices.draft(
        work,
        customer,
        {
            "auto_advance": False,
            "automatic_tax": taxes.automatic(enabled=automatic_tax and enabled),
            "billing_reason": "manual",
            "currency": currency,
            "discounts": discounts.redeem(work, state.discounts, owner),
            "metadata": dict(state.invoice_data.get("metadata") or {}),
            "description": state.invoice_data.get("description"),
            "footer": state.invoice_data.get("footer"),
        },
        items=list(pending.values()),
    )
    found = {
        line["parent"]["invoice_item_details"]["invoice_item"]: line
        for line in invoice["lines"]["data"]
    }
    return Bill(invoice, {item: found[made["id"]] for item, made in pending.items()})


def change(
    work: Work,
    session: CheckoutSession,
    *,
    quantities: dict[str, int] | None = None,
    code: str | None = None,
    address: Json | None = None,
) -> CheckoutSession:
    """Change what the customer can change on the page, and price the session again.

    Args:
        session: An open session.
        quantities: New quantities by the id of the line item.
        code: A promotion code as the customer entered it; an empty one takes it off.
        address: The billing address.

    Raises:
        InvalidRequest: A quantity is out of its bounds, or the code is none that can be
            redeemed now.
    """
    _require_open(session)
    state = work.state(session, CheckoutSessionState)
    for item in state.items:
        _set_quantity(item, (quantities or {}).get(item["id"]))
    if not _bought(state):
        raise InvalidRequest("Keep at least one item.", param="quantity")
    if code is not None and session["allow_promotion_codes"]:
        state.discounts = [{"promotion_code": _code(work, code)}] if code.strip() else []
    if address:
        state.address = {**(state.address or {}), **address}
    return reprice(work, work.save(session))


def _require_open(session: CheckoutSession) -> None:
    if session["status"] != "open":
        raise InvalidRequest(f"This Checkout Session has a status of {session['status']}.")


def _set_quantity(item: Json, quantity: int | None) -> None:
    bounds = item.get("adjustable_quantity") or {}
    if quantity is None or not bounds.get("enabled"):
        return
    least, most = bounds["minimum"], bounds["maximum"]
    if not least <= quantity <= most:
        raise InvalidRequest(
            f"Choose a quantity of {least} to {most} for {item['description']}.", param="quantity"
        )
    item["quantity"] = quantity


def _code(work: Work, code: str) -> str:
    """The id of an active promotion code; its letters count in any case."""
    conditions = [
        Condition("code", ":", (code.strip(),)),
        Condition("active", "in", ("true",)),
    ]
    found = work.matching(PROMOTION_CODE, conditions, Bounds(), limit=1)
    if not found:
        raise InvalidRequest("This code is invalid.", param="code")
    return found[0]["id"]


def needs_method(session: CheckoutSession) -> bool:
    """Whether the customer has to enter a card."""
    optional = session["payment_method_collection"] == "if_required"
    return not (optional and session["amount_total"] == 0)


def complete(work: Work, session: CheckoutSession, method: PaymentMethod | None) -> Thing:
    """Pay, subscribe or save a card, as the button of the hosted page does.

    Args:
        session: An open session.
        method: A payment method that is not attached yet; None where none is needed.

    Returns:
        The intent that was attempted. With a status of `requires_action`, the
        session completes once 3-D Secure succeeds.

    Raises:
        CardError: The card was declined; the session stays open.
        InvalidRequest: The session is not open, or the address for automatic tax is missing.
    """
    _require_open(session)
    if method is None and needs_method(session):
        raise InvalidRequest("Enter a card.", param="payment_method")
    checkout.undo_attempt(work, session)
    customer = _customer(work, session)
    if session["automatic_tax"]["status"] == "requires_location_inputs":
        raise InvalidRequest(
            "Enter your country and postal code, so that taxes can be calculated.",
            code="customer_tax_location_invalid",
        )
    intent = _ATTEMPTS[session["mode"]](work, session, customer, method)
    work.save(session)
    if intent is None or intent["status"] == "succeeded":
        if intent:
            checkout.keep_card(work, session, intent)
        checkout.finish(work, session)
    return intent or session


def _customer(work: Work, session: CheckoutSession) -> Customer | None:
    """The customer who buys, with the address of the page if it is to be saved."""
    address = work.state(session, CheckoutSessionState).address
    if session["customer"]:
        customer = work.get(CUSTOMER, session["customer"])
        if address and work.state(session, CheckoutSessionState).saves_address:
            customer["address"] = address
            emit(work, "customer.updated", work.save(customer))
        return customer
    optional = session["customer_creation"] == "if_required"
    if optional and not (session["invoice_creation"] or {}).get("enabled"):
        return None
    details = {"email": session["customer_email"], **({"address": address} if address else {})}
    customer = customers.make(work, details)
    emit(work, "customer.created", customer)
    session["customer"] = customer["id"]
    return customer


def _pay(
    work: Work, session: CheckoutSession, customer: Customer | None, method: PaymentMethod | None
) -> PaymentIntent | None:
    state = work.state(session, CheckoutSessionState)
    if customer and (session["invoice_creation"] or {}).get("enabled"):
        return _pay_invoice(work, session, customer, method)
    clock = customer["test_clock"] if customer else None
    subtotal = session["amount_subtotal"] or 0
    owner = discounts.Owner(
        customer["id"] if customer else None,
        session["currency"] or "usd",
        clock,
        subtotal,
        checkout_session=session["id"],
    )
    discounts.redeem(work, state.discounts, owner)
    if not session["amount_total"] or method is None:
        return None
    intent = payments.new_intent(
        work,
        {
            **state.payment_intent_data,
            "amount": session["amount_total"],
            "currency": session["currency"],
            "customer": customer["id"] if customer else None,
        },
    )
    session["payment_intent"] = intent["id"]
    payments.attempt(work, intent, method, off_session=False)
    return _not_declined(work, intent)


def _pay_invoice(
    work: Work, session: CheckoutSession, customer: Customer, method: PaymentMethod | None
) -> PaymentIntent | None:
    """Pay by way of an invoice, as `invoice_creation` asks."""
    state = work.state(session, CheckoutSessionState)
    invoice = _bill(work, customer, session, state, automatic_tax=True).invoice
    invoices.finalize(work, invoice)
    session["invoice"] = invoice["id"]
    intent = invoices.intent_of(work, invoice)
    if intent is None or method is None:
        invoice_collection.paid(work, invoice, 0)
        return None
    session["payment_intent"] = intent["id"]
    payments.attempt(work, intent, method, off_session=False)
    invoice_collection.after_attempt(work, intent)
    return _not_declined(work, intent)


def _not_declined(work: Work, intent: PaymentIntent) -> PaymentIntent:
    if intent["status"] == "requires_payment_method":
        raise _nothing_kept(payments.declined(work, intent))
    return intent


def _set_up(
    work: Work, session: CheckoutSession, customer: Customer | None, method: PaymentMethod | None
) -> SetupIntent | None:
    if method is None:
        return None
    intent = work.find(SETUP_INTENT, session["setup_intent"])
    if intent is None:
        intent = setups.new_intent(work, {"customer": customer["id"] if customer else None})
    session["setup_intent"] = intent["id"]
    setups.attempt(work, intent, method)
    if intent["status"] == "requires_payment_method":
        raise _nothing_kept(setups.declined(work, intent))
    return intent


def _subscribe(
    work: Work, session: CheckoutSession, customer: Customer | None, method: PaymentMethod | None
) -> PaymentIntent | None:
    if customer is None:
        raise LookupError("a session that subscribes has a customer")
    if method:
        payment_methods.attach(work, method, customer)
    state = work.state(session, CheckoutSessionState)
    subscription, bill = _begin(
        work,
        customer,
        session,
        state,
        automatic_tax=True,
        method=method["id"] if method else None,
    )
    session |= {"subscription": subscription["id"], "invoice": bill.invoice["id"]}
    subscription_creation.collect_first(
        work, subscription, bill.invoice, behavior="allow_incomplete", off_session=False
    )
    subscription_creation.begin_schedule(work, subscription)
    intent = invoices.intent_of(work, bill.invoice)
    if intent:
        _not_declined(work, intent)
    emit(work, "customer.subscription.created", subscriptions.save(work, subscription))
    return intent


def _nothing_kept(refusal: CardError) -> CardError:
    """A declined payment leaves the session open; nothing else is stored."""
    refusal.keeps_work = False
    return refusal


_Attempt = Callable[[Work, CheckoutSession, Customer | None, PaymentMethod | None], Any]
_ATTEMPTS: dict[str, _Attempt] = {"payment": _pay, "setup": _set_up, "subscription": _subscribe}

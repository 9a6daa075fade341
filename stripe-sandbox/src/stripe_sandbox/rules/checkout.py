"""How a Checkout session ends: completed, expired, or a failed attempt undone."""

from stripe_sandbox.api.registry import due
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.payments import PaymentIntent, SetupIntent
from stripe_sandbox.objects.sessions import CheckoutSession
from stripe_sandbox.objects.state import CheckoutSessionState
from stripe_sandbox.rules import invoices, payment_methods, payments, setups, subscriptions, taxes
from stripe_sandbox.storage.kinds import (
    CHECKOUT_SESSION,
    CUSTOMER,
    INVOICE,
    PAYMENT_INTENT,
    PAYMENT_METHOD,
    SETUP_INTENT,
    SUBSCRIPTION,
)
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


def finish(work: Work, session: CheckoutSession) -> CheckoutSession:
    """Complete a session whose payment or setup intent has succeeded."""
    paid = session["amount_total"] if session["mode"] != "setup" else None
    customer = work.find(CUSTOMER, session["customer"])
    session |= {
        "payment_status": "paid" if paid else "no_payment_required",
        "status": "complete",
        "url": None,
        "customer_details": _final_details(work, session, customer),
    }
    work.unschedule(session, "checkout.expire")
    emit(work, "checkout.session.completed", work.save(session))
    return session


def details(work: Work, customer: Customer | None, email: str | None) -> Json:
    """The `customer_details` of a session that is open: the address is not yet confirmed."""
    known = taxes.ids_of(work, customer) if customer else []
    return {
        "email": customer["email"] if customer else email,
        "tax_exempt": customer["tax_exempt"] if customer else "none",
        "tax_ids": known or None,
    }


def _final_details(work: Work, session: CheckoutSession, customer: Customer | None) -> Json:
    known = details(work, customer, session["customer_email"])
    address = work.state(session, CheckoutSessionState).address
    if session["mode"] == "setup":
        return {**known, "tax_exempt": None}
    return {
        **known,
        "address": address or (customer["address"] if customer else None),
        "name": customer["name"] if customer else None,
        "phone": customer["phone"] if customer else None,
        "tax_ids": known["tax_ids"] or [],
    }


def waiting_for(work: Work, intent: PaymentIntent | SetupIntent) -> CheckoutSession | None:
    """The open session whose attempt to pay waits for this intent's 3-D Secure."""
    where: Json = {intent["object"]: intent["id"]}
    if intent["object"] == "payment_intent":
        invoice = invoices.paid_with(work, intent)
        where = {"invoice": invoice["id"]} if invoice else where
    found = work.newest(CHECKOUT_SESSION, {"status": "open", **where}, limit=1)
    return found[0] if found else None


def after_authentication(work: Work, intent: PaymentIntent | SetupIntent) -> None:
    """Complete the session that waited for this intent, or undo its attempt to pay."""
    session = waiting_for(work, intent)
    if session is None:
        return
    if intent["status"] == "succeeded":
        keep_card(work, session, intent)
        finish(work, session)
    else:
        undo_attempt(work, session)


def undo_attempt(work: Work, session: CheckoutSession) -> None:
    """Cancel what an unfinished attempt to pay created, so that the next one starts afresh."""
    subscription = work.find(SUBSCRIPTION, session["subscription"])
    if subscription and subscription["status"] == "incomplete":
        subscriptions.expire(work, subscription)
    payment = work.find(PAYMENT_INTENT, session["payment_intent"])
    if payment and payment["status"] not in {"succeeded", "canceled"}:
        payments.cancel(work, payment, reason="abandoned")
    bill = work.find(INVOICE, session["invoice"])
    if bill and bill["status"] == "open":
        invoices.void(work, bill)
    setup = work.find(SETUP_INTENT, session["setup_intent"])
    if setup and setup["status"] == "requires_action":
        setups.cancel(work, setup, reason="abandoned")
    session |= {"invoice": None, "payment_intent": None, "subscription": None}
    if setup and setup["status"] == "canceled":
        session["setup_intent"] = None
    work.save(session)


def keep_card(work: Work, session: CheckoutSession, intent: PaymentIntent | SetupIntent) -> None:
    """Attach the card of a paid subscription to its customer, as Checkout does."""
    customer, method = work.find(CUSTOMER, session["customer"]), intent["payment_method"]
    if customer and method and session["mode"] != "payment":
        payment_methods.attach(work, work.get(PAYMENT_METHOD, method), customer)


@due("checkout.expire")
def expire(work: Work, session: CheckoutSession) -> None:
    """Close a session that was not completed in time."""
    undo_attempt(work, session)
    session |= {"status": "expired", "url": None}
    work.unschedule(session, "checkout.expire")
    emit(work, "checkout.session.expired", work.save(session))

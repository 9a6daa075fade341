"""What happens to a Checkout session once its customer has paid, or has not."""

from typing import Any

from stripe_sandbox.api.registry import due
from stripe_sandbox.rules import payment_methods, payments, setups, subscriptions
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]


def finish(work: Work, session: Json) -> Json:
    """Complete a session whose payment or setup intent has succeeded."""
    paid = session["amount_total"] if session["mode"] != "setup" else None
    customer = work.find(session["customer"] or "")
    session |= {
        "payment_status": "paid" if paid else "no_payment_required",
        "status": "complete",
        "url": None,
        "customer_details": _details(session, customer),
        "_waiting": None,
    }
    work.unschedule(session, "checkout.expire")
    emit(work, "checkout.session.completed", work.save(session))
    return session


def _details(session: Json, customer: Json | None) -> Json:
    known = customer or {"email": session["customer_email"], "tax_exempt": "none"}
    names = ("address", "email", "name", "phone", "tax_exempt")
    details = {name: known.get(name) for name in names}
    return {**details, "business_name": None, "individual_name": None, "tax_ids": []}


def after_authentication(work: Work, intent: Json) -> None:
    """Complete the session that waited for this intent's 3-D Secure, or let it be tried again."""
    for session in work.all("checkout.session", _waiting=intent["id"]):
        if session["status"] == "open" and intent["status"] == "succeeded":
            keep_card(work, session, intent)
            finish(work, session)
        elif session["status"] == "open":
            abandon(work, session)


def abandon(work: Work, session: Json) -> None:
    """Give up a try whose 3-D Secure failed or was left; nothing of it stays beside the next."""
    intent = work.find(session.get("_waiting") or "")
    if intent is None:
        return
    subscription = work.find(session["subscription"] or "")
    if subscription and subscription["status"] == "incomplete":
        subscriptions.expire(work, subscription)
    elif intent["status"] not in {"succeeded", "canceled"}:
        cancel = setups.cancel if intent["object"] == "setup_intent" else payments.cancel
        cancel(work, intent, reason="abandoned")
    session |= dict.fromkeys(("invoice", "payment_intent", "setup_intent", "subscription"))
    session["_waiting"] = None
    work.save(session)


def keep_card(work: Work, session: Json, intent: Json) -> None:
    """Attach the card of a paid subscription to its customer, as Checkout does."""
    customer, method = work.find(session["customer"] or ""), intent["payment_method"]
    if customer and method and session["mode"] != "payment":
        payment_methods.attach(work, work.get("payment_method", method), customer)


@due("checkout.expire")
def expire(work: Work, session: Json) -> None:
    """Close a session that nobody finished."""
    abandon(work, session)
    session |= {"status": "expired", "url": None}
    work.unschedule(session, "checkout.expire")
    emit(work, "checkout.session.expired", work.save(session))

"""3-D Secure: the intents that require it, and the objects that wait for them."""

from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.payments import PaymentIntent, SetupIntent
from stripe_sandbox.rules import invoices
from stripe_sandbox.rules.authentication import intent_with
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    INVOICE,
    PAYMENT_INTENT,
    SETUP_INTENT,
    SUBSCRIPTION,
)
from stripe_sandbox.storage.store import Work

Intent = PaymentIntent | SetupIntent


def waiting(work: Work, *, limit: int) -> list[Intent]:
    """The intents that wait for their customers, newest first."""
    found = _requiring_action(work, {}, limit=limit)
    return sorted(found, key=lambda intent: -int(intent["created"]))[:limit]


def _requiring_action(work: Work, where: Json, *, limit: int) -> list[Intent]:
    wanted = {"status": "requires_action", **where}
    return [
        *work.newest(PAYMENT_INTENT, wanted, limit=limit),
        *work.newest(SETUP_INTENT, wanted, limit=limit),
    ]


def waiting_for(work: Work, thing: Thing) -> list[Intent]:
    """The intents that wait for authentication before this object can go on."""
    return [intent for intent in _intents_of(work, thing) if intent["status"] == "requires_action"]


def _intents_of(work: Work, thing: Thing) -> list[Intent]:
    kind = thing["object"]
    if kind in {PAYMENT_INTENT.name, SETUP_INTENT.name}:
        return [intent_with(work, thing["id"])]
    if kind == CUSTOMER.name:
        return _requiring_action(work, {"customer": thing["id"]}, limit=10)
    if kind == INVOICE.name:
        return _intents_of_invoice(work, thing["id"])
    if kind == SUBSCRIPTION.name:
        setup = work.find(SETUP_INTENT, thing["pending_setup_intent"])
        return [*([setup] if setup else []), *_intents_of_invoice(work, thing["latest_invoice"])]
    return []


def _intents_of_invoice(work: Work, identifier: str | None) -> list[Intent]:
    invoice = work.find(INVOICE, identifier)
    intent = invoices.intent_of(work, invoice) if invoice else None
    return [intent] if intent else []

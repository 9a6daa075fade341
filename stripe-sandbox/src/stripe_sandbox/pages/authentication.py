"""3-D Secure: which intents wait for it, and before which objects can go on."""

from typing import Any

from stripe_sandbox.errors import ResourceMissing
from stripe_sandbox.rules import invoices
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]

_KINDS = ("payment_intent", "setup_intent")


def intent_with(work: Work, identifier: str) -> Json:
    """A payment or setup intent.

    Raises:
        ResourceMissing: There is none with this id.
    """
    found = work.find(identifier)
    if found is None or found["object"] not in _KINDS:
        raise ResourceMissing("payment", identifier, param="intent")
    return found


def waiting(work: Work, *, limit: int) -> list[Json]:
    """The intents that wait for their customers, newest first."""
    found = _requiring_action(work, {}, limit=limit)
    return sorted(found, key=lambda intent: -int(intent["created"]))[:limit]


def _requiring_action(work: Work, where: Json, *, limit: int) -> list[Json]:
    wanted = {"status": "requires_action", **where}
    return [intent for kind in _KINDS for intent in work.newest(kind, wanted, limit=limit)]


def waiting_for(work: Work, thing: Json) -> list[Json]:
    """The intents that wait for authentication before this object can go on."""
    return [intent for intent in _intents_of(work, thing) if intent["status"] == "requires_action"]


def _intents_of(work: Work, thing: Json) -> list[Json]:
    kind = thing["object"]
    if kind in _KINDS:
        return [thing]
    if kind == "customer":
        return _requiring_action(work, {"customer": thing["id"]}, limit=10)
    if kind == "invoice":
        intent = invoices.intent_of(work, thing)
        return [intent] if intent else []
    if kind == "subscription":
        return _intents_of_subscription(work, thing)
    return []


def _intents_of_subscription(work: Work, subscription: Json) -> list[Json]:
    setup = work.find(subscription["pending_setup_intent"] or "")
    invoice = work.find(subscription["latest_invoice"] or "")
    return [*([setup] if setup else []), *(_intents_of(work, invoice) if invoice else [])]

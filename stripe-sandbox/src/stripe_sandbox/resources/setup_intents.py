"""Setup intents."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.rules import payment_methods, setups
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]

_OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}


@handles("setup_intents.create")
def create(call: Call) -> Json:
    """A setup intent, confirmed at once if that is asked for."""
    work, params = call.work, call.params
    named = params.get("customer")
    customer = work.referenced("customer", named, param="customer") if named else None
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    intent = setups.new_intent(
        work,
        {
            "automatic_payment_methods": {"allow_redirects": "always", **automatic},
            "customer": customer["id"] if customer else None,
            "metadata": changes.metadata({}, params),
            "usage": params.get("usage", "off_session"),
            "_clock": customer["test_clock"] if customer else None,
            **changes.given(params, "description"),
        },
    )
    method = _method(work, intent, params)
    if method:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        work.save(intent)
    return _confirm(call, intent) if params.get("confirm") else intent


def _method(work: Work, intent: Json, params: Any) -> Json | None:
    named = params.get("payment_method")
    if not named:
        return None
    method = payment_methods.resolve(work, named, param="payment_method")
    if method["customer"] and method["customer"] != intent["customer"]:
        raise InvalidRequest(
            "The provided PaymentMethod belongs to a different customer than this SetupIntent.",
            code="setup_intent_unexpected_state",
            param="payment_method",
        )
    return method


@handles("setup_intents.confirm")
def confirm(call: Call) -> Json:
    """Try to save the card."""
    intent = call.work.get("setup_intent", call.id, param="intent")
    method = _method(call.work, intent, call.params)
    if method:
        intent["payment_method"] = method["id"]
    return _confirm(call, intent)


def _confirm(call: Call, intent: Json) -> Json:
    work = call.work
    if intent["status"] not in _OPEN:
        raise _unexpected(work, intent, "confirm")
    if not intent["payment_method"]:
        raise InvalidRequest(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    method = work.get("payment_method", intent["payment_method"])
    setups.attempt(work, intent, method, return_url=call.params.get("return_url"))
    if intent["status"] == "requires_payment_method":
        raise setups.declined(work, intent)
    return intent


def _unexpected(work: Work, intent: Json, verb: str) -> InvalidRequest:
    return InvalidRequest(
        f"You cannot {verb} this SetupIntent because it has a status of {intent['status']}.",
        code="setup_intent_unexpected_state",
        setup_intent=present(work, intent),
    )


@handles("setup_intents.retrieve")
def retrieve(call: Call) -> Json:
    """One setup intent."""
    return call.work.get("setup_intent", call.id, param="intent")


@handles("setup_intents.update")
def update(call: Call) -> Json:
    """Change an intent that has not succeeded."""
    intent = call.work.get("setup_intent", call.id, param="intent")
    if intent["status"] not in _OPEN:
        raise _unexpected(call.work, intent, "update")
    method = _method(call.work, intent, call.params)
    if method:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    intent |= changes.given(call.params, "description", "customer")
    intent["metadata"] = changes.metadata(intent["metadata"], call.params)
    return call.work.save(intent)


@handles("setup_intents.cancel")
def cancel(call: Call) -> Json:
    """Cancel an intent that has not succeeded."""
    intent = call.work.get("setup_intent", call.id, param="intent")
    if intent["status"] not in _OPEN:
        raise _unexpected(call.work, intent, "cancel")
    return setups.cancel(call.work, intent, reason=call.params.get("cancellation_reason"))


@handles("setup_intents.list")
def list_intents(call: Call) -> Json:
    """Setup intents, newest first."""
    where = {name: call.params.get(name) for name in ("customer", "payment_method")}
    return page(call, "setup_intent", where)

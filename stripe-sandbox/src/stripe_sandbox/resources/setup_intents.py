"""Setup intents."""

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.payments import SetupIntent
from stripe_sandbox.resources import intents
from stripe_sandbox.rules import setups
from stripe_sandbox.storage.kinds import CUSTOMER, SETUP_INTENT

retrieves("setup_intents.retrieve", SETUP_INTENT, param="intent")


@handles("setup_intents.create")
def create(call: Call) -> Thing:
    """Create a setup intent, and confirm it if `confirm` asks for that."""
    work, params = call.work, call.params
    named = params.get("customer")
    customer = work.referenced(CUSTOMER, named, param="customer") if named else None
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    intent = setups.new_intent(
        work,
        {
            "automatic_payment_methods": {"allow_redirects": "always", **automatic},
            "customer": customer["id"] if customer else None,
            "metadata": changes.metadata({}, params),
            "usage": params.get("usage", "off_session"),
            **changes.given(params, "description"),
        },
    )
    intents.set_method(work, intent, params)
    work.save(intent)
    return _confirm(call, intent) if params.get("confirm") else intent


@handles("setup_intents.confirm")
def confirm(call: Call) -> Thing:
    """Try to save the payment method."""
    intent = call.work.get(SETUP_INTENT, call.id, param="intent")
    intents.set_method(call.work, intent, call.params)
    return _confirm(call, intent)


def _confirm(call: Call, intent: SetupIntent) -> SetupIntent:
    method = intents.method_to_confirm(call.work, intent)
    setups.attempt(call.work, intent, method, return_url=call.params.get("return_url"))
    if intent["status"] == "requires_payment_method":
        raise setups.declined(call.work, intent)
    return intent


@handles("setup_intents.update")
def update(call: Call) -> Thing:
    """Change an intent that has not succeeded."""
    intent = call.work.get(SETUP_INTENT, call.id, param="intent")
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected(call.work, intent, "update")
    intents.set_method(call.work, intent, call.params)
    changes.apply(intent, call.params, "description", "customer")
    return call.work.save(intent)


@handles("setup_intents.cancel")
def cancel(call: Call) -> Thing:
    """Cancel an intent that has not succeeded."""
    intent = call.work.get(SETUP_INTENT, call.id, param="intent")
    if intent["status"] not in intents.OPEN:
        raise intents.unexpected(call.work, intent, "cancel")
    return setups.cancel(call.work, intent, reason=call.params.get("cancellation_reason"))


@handles("setup_intents.list")
def list_intents(call: Call) -> Thing:
    """Setup intents, newest first."""
    where = {name: call.params.get(name) for name in ("customer", "payment_method")}
    return page(call, SETUP_INTENT, where)

"""Refunds."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import list_object, page
from stripe_sandbox.api.registry import Call, handles, includes, retrieves
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.payments import Charge
from stripe_sandbox.rules import refunds
from stripe_sandbox.storage.kinds import CHARGE, DISPUTE, PAYMENT_INTENT, REFUND
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


@handles("refunds.create")
def create(call: Call) -> Thing:
    """Refund a charge, in full or in part."""
    work, params = call.work, call.params
    charge = _charge(work, params.get("charge"), params.get("payment_intent"))
    dispute = work.find(DISPUTE, charge["dispute"])
    if dispute and not dispute["is_charge_refundable"]:
        raise InvalidRequest(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise InvalidRequest(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = params.get("amount", left)
    if not 0 < amount <= left:
        raise InvalidRequest(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )
    return refunds.create(work, charge, _values(charge, amount, params))


def _charge(work: Work, charge: str | None, intent: str | None) -> Charge:
    found: Charge | None
    if charge:
        found = work.referenced(CHARGE, charge, param="charge")
    elif intent:
        paid = work.referenced(PAYMENT_INTENT, intent, param="payment_intent")
        found = work.find(CHARGE, paid["latest_charge"])
    else:
        raise InvalidRequest(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    if found is None or found["status"] != "succeeded":
        raise InvalidRequest(
            "There is no successful charge to refund.", code="charge_not_refundable"
        )
    return found


def _values(charge: Charge, amount: int, params: Any) -> Json:
    return {
        "amount": amount,
        "charge": charge["id"],
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {
            "type": "card",
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
        },
        "metadata": changes.metadata({}, params),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
    }


@includes("charge", "refunds")
def of_charge(work: Work, charge: Charge) -> Json:
    """A charge's refunds, shown when a caller expands them."""
    every = work.newest(REFUND, {"charge": charge["id"]})
    found, url = [present(work, one) for one in every[:10]], f"/v1/charges/{charge['id']}/refunds"
    return list_object(found, url=url, more=len(every) > 10, total=len(every))


retrieves("refunds.retrieve", REFUND)


@handles("refunds.update")
def update(call: Call) -> Thing:
    """Change a refund's metadata."""
    refund = call.work.get(REFUND, call.id)
    changes.apply(refund, call.params)
    emit(call.work, "refund.updated", call.work.save(refund))
    return refund


@handles("refunds.cancel")
def cancel(call: Call) -> Thing:
    """Refuse: only a refund that requires an action can be canceled, and none to a card does."""
    refund = call.work.get(REFUND, call.id)
    raise InvalidRequest(
        f"You can only cancel refunds with a status of requires_action; this one is "
        f"{refund['status']}."
    )


@handles("refunds.list")
def list_refunds(call: Call) -> Thing:
    """Refunds, newest first."""
    where = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, REFUND, where)

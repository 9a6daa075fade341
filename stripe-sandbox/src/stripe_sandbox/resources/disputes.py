"""Disputes."""

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, presents, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.payments import Dispute
from stripe_sandbox.rules import disputes
from stripe_sandbox.storage.kinds import DISPUTE
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

retrieves("disputes.retrieve", DISPUTE)


@presents("dispute")
def shown(work: Work, dispute: Json) -> Json:
    """A dispute shows its balance transactions whole."""
    return dispute | {"balance_transactions": disputes.transactions_of(work, dispute)}


@handles("disputes.update")
def update(call: Call) -> Thing:
    """Add evidence; with `submit` it is sent to the bank and cannot change any more."""
    work, params = call.work, call.params
    dispute = _open(call)
    evidence = params.get("evidence") or {}
    if evidence:
        dispute["evidence"] |= changes.given(evidence, *evidence)
        dispute["evidence_details"]["has_evidence"] = True
    changes.apply(dispute, params)
    submit = params.get("submit", bool(evidence))
    work.save(dispute)
    if submit and evidence:
        disputes.submit(work, dispute)
    else:
        emit(work, "charge.dispute.updated", dispute)
    return dispute


@handles("disputes.close")
def close(call: Call) -> Thing:
    """Accept a dispute as lost."""
    dispute = _open(call)
    disputes.close(call.work, dispute)
    return dispute


def _open(call: Call) -> Dispute:
    dispute = call.work.get(DISPUTE, call.id, param="dispute")
    if dispute["status"] not in disputes.OPEN and set(call.params) - {"metadata", "expand"}:
        raise InvalidRequest(f"This dispute is already closed or under review: {dispute['id']}")
    return dispute


@handles("disputes.list")
def list_disputes(call: Call) -> Thing:
    """Disputes, newest first."""
    where = {name: call.params.get(name) for name in ("charge", "payment_intent")}
    return page(call, DISPUTE, where)

"""Disputes: opened by the test cards that have them, answered with evidence, won or lost.

Source: https://docs.stripe.com/disputes and https://docs.stripe.com/testing#disputes.
"""

from stripe_sandbox.api.registry import due
from stripe_sandbox.api.rendering import present
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.payments import Charge, Dispute
from stripe_sandbox.rules import money, payment_methods
from stripe_sandbox.storage.kinds import (
    BALANCE_TRANSACTION,
    CHARGE,
    DISPUTE,
    PAYMENT_METHOD,
)
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# In these a dispute waits for evidence.
OPEN = {"needs_response", "warning_needs_response"}

# Stripe's fee in the United States, in cents; it comes back with a dispute that is won.
_FEE = 1500
_DAYS_TO_RESPOND = 9
_NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}
_INQUIRY = "warning_needs_response"


@due("charge.dispute")
def open_dispute(work: Work, charge: Charge) -> None:
    """Dispute a charge as its test card says."""
    if charge["payment_method"] is None or charge["disputed"]:
        return
    card = payment_methods.card_of(work.get(PAYMENT_METHOD, charge["payment_method"]))
    if card.dispute is None:
        return
    now = work.now()
    dispute = work.create(
        DISPUTE,
        {
            "amount": charge["amount_captured"],
            "balance_transactions": [],
            "charge": charge["id"],
            "created": now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": now + _DAYS_TO_RESPOND * 86400,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": card.dispute_status == _INQUIRY,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "type": "card",
                "card": {
                    "brand": card.brand,
                    "case_type": "inquiry" if card.dispute_status == _INQUIRY else "chargeback",
                    "network": card.brand,
                    "network_reason_code": _NETWORK_CODES.get(card.dispute),
                },
            },
            "reason": card.dispute,
            "status": card.dispute_status,
        },
    )
    charge |= {"disputed": True, "dispute": dispute["id"]}
    work.save(charge)
    emit(work, "charge.dispute.created", dispute)
    if card.dispute_status != _INQUIRY:
        _move_funds(work, dispute, -dispute["amount"], fee=_FEE)
        emit(work, "charge.dispute.funds_withdrawn", work.save(dispute))
    emit(work, "charge.updated", work.get(CHARGE, charge["id"]))


def _move_funds(work: Work, dispute: Dispute, amount: int, *, fee: int) -> None:
    """Take the disputed amount and the fee from the account's balance, or return them."""
    entry = money.write(work, dispute, amount, kind="adjustment", category="dispute", fee=fee)
    dispute["balance_transactions"].append(entry["id"])


def submit(work: Work, dispute: Dispute) -> None:
    """Send the evidence to the bank; two texts decide at once, as in Stripe's test mode."""
    details, text = dispute["evidence_details"], dispute["evidence"]["uncategorized_text"]
    details["submission_count"] += 1
    details["submission_method"] = "manual"
    inquiry = dispute["status"] == _INQUIRY
    dispute["status"] = "warning_under_review" if inquiry else "under_review"
    emit(work, "charge.dispute.updated", work.save(dispute))
    if text == "winning_evidence":
        _win(work, dispute)
    elif text == "losing_evidence":
        close(work, dispute)


def _win(work: Work, dispute: Dispute) -> None:
    if dispute["status"] == "warning_under_review":
        dispute["status"] = "warning_closed"
    else:
        dispute["status"] = "won"
        _move_funds(work, dispute, dispute["amount"], fee=-_FEE)
        emit(work, "charge.dispute.funds_reinstated", work.save(dispute))
    emit(work, "charge.dispute.closed", work.save(dispute))


def close(work: Work, dispute: Dispute) -> None:
    """Accept a dispute as lost."""
    inquiry = dispute["status"].startswith("warning")
    dispute["status"] = "warning_closed" if inquiry else "lost"
    emit(work, "charge.dispute.closed", work.save(dispute))


def transactions_of(work: Work, dispute: Json) -> list[Json]:
    """The balance transactions of a dispute, whole."""
    identifiers = dispute["balance_transactions"]
    return [present(work, work.get(BALANCE_TRANSACTION, one)) for one in identifiers]

"""Refunds: what they take from a charge, and how the test cards let them end.

Source: https://docs.stripe.com/testing#refunds.
"""

from stripe_sandbox.api.registry import due
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.payments import Charge, Refund
from stripe_sandbox.rules import money, payment_methods
from stripe_sandbox.storage.kinds import CHARGE, PAYMENT_METHOD, REFUND
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


def create(work: Work, charge: Charge, values: Json) -> Refund:
    """Refund a part of a charge.

    Args:
        charge: A charge that succeeded.
        values: Fields of the refund; `amount` at least.
    """
    outcome = "succeeds"
    method = work.find(PAYMENT_METHOD, charge["payment_method"])
    if method:
        outcome = payment_methods.card_of(method).refund
    status = "pending" if outcome == "pends" else "succeeded"
    refund = work.create(REFUND, {**values, "status": status})
    if status == "pending":
        refund["pending_reason"] = "processing"
    money.book(work, refund, -refund["amount"])
    _move(work, charge, refund["amount"])
    emit(work, "refund.created", refund)
    emit(work, "charge.refunded", charge)
    # On the sandbox's own clock: a test clock may stand still.
    if outcome == "pends":
        work.schedule(refund, "refund.succeed", work.now(), clock=None)
    if outcome == "fails":
        work.schedule(refund, "refund.fail", work.now(), clock=None)
    return refund


def _move(work: Work, charge: Charge, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    work.save(charge)


@due("refund.succeed")
def succeed(work: Work, refund: Refund) -> None:
    """Complete a pending refund."""
    refund |= {"status": "succeeded", "pending_reason": None}
    _announce(work, refund, "refund.updated")


@due("refund.fail")
def fail(work: Work, refund: Refund) -> None:
    """Let a refund fail after all: the amount returns to the account's balance."""
    entry = money.write(
        work, refund, refund["amount"], kind="refund_failure", category="refund_failure"
    )
    refund |= {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": entry["id"],
    }
    charge = work.find(CHARGE, refund["charge"])
    if charge:
        _move(work, charge, -refund["amount"])
    _announce(work, refund, "refund.failed")


def _announce(work: Work, refund: Refund, event: str) -> None:
    emit(work, event, work.save(refund))
    emit(work, "charge.refund.updated", refund)

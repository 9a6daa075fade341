"""The account's own balance: what charges bring, less the fee, and what refunds take."""

from stripe_sandbox.objects.payments import Charge, Refund
from stripe_sandbox.storage.kinds import BALANCE_TRANSACTION
from stripe_sandbox.storage.store import Work

_DAY = 86400
# Money can be paid out at the beginning of the seventh day after it came.
_AVAILABLE_AFTER = 7


def book(work: Work, source: Charge | Refund, amount: int) -> None:
    """Write a charge or a refund into the balance, and name the entry on it.

    The fee is Stripe's list price for a domestic card: 2.9 % and 30 cents,
    kept when a charge is refunded.

    Args:
        work: The unit of work.
        source: The charge or refund.
        amount: What it brings; negative for a refund.
    """
    kind = str(source["object"])
    fee = (amount * 29 + 500) // 1000 + 30 if kind == "charge" else 0
    part = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    entry = work.create(
        BALANCE_TRANSACTION,
        {
            "amount": amount,
            "available_on": (source["created"] // _DAY + _AVAILABLE_AFTER) * _DAY,
            "balance_type": "payments",
            "created": source["created"],
            "currency": source["currency"],
            "description": source.get("description"),
            "fee": fee,
            "fee_details": [part] if fee else [],
            "net": amount - fee,
            "reporting_category": kind,
            "source": source["id"],
            "status": "pending",
            "type": kind,
        },
    )
    source["balance_transaction"] = entry["id"]
    work.save(source)

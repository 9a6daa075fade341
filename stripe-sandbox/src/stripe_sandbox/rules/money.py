"""The account's own balance: what charges bring, less the fee, and what refunds take."""

from stripe_sandbox.objects.payments import BalanceTransaction, Charge, Dispute, Refund
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
        source: The charge or refund.
        amount: What it brings; negative for a refund.
    """
    kind = str(source["object"])
    fee = (amount * 29 + 500) // 1000 + 30 if kind == "charge" else 0
    entry = write(work, source, amount, kind=kind, category=kind, fee=fee)
    source["balance_transaction"] = entry["id"]
    work.save(source)


def write(
    work: Work,
    source: Charge | Refund | Dispute,
    amount: int,
    *,
    kind: str,
    category: str,
    fee: int = 0,
) -> BalanceTransaction:
    """Write an entry into the account's balance.

    Args:
        source: The charge, refund or dispute that the entry is about.
        amount: What it brings, in the smallest currency unit; negative for what it takes.
        kind: The entry's `type`.
        category: Its `reporting_category`.
        fee: What Stripe charges for it; negative if a fee is returned.
    """
    part = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Dispute fee" if category == "dispute" else "Stripe processing fees",
        "type": "stripe_fee",
    }
    return work.create(
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
            "reporting_category": category,
            "source": source["id"],
            "status": "pending",
            "type": kind,
        },
    )

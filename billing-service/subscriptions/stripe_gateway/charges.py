"""Charges at Stripe, and what became of them: refunds and disputes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from subscriptions.stripe_gateway.client import call, pages
from subscriptions.stripe_gateway.objects import id_of


@dataclass(frozen=True, kw_only=True)
class StripeReversal:
    """A refund or a dispute."""

    id: str
    amount: int
    currency: str
    status: str
    reason: str
    created: datetime


@dataclass(frozen=True, kw_only=True)
class StripeCharge:
    """A charge, with what it paid."""

    id: str
    stripe_customer_id: str
    # All of it; a refund that failed does not count.
    fully_refunded: bool
    refunds: tuple[StripeReversal, ...]
    disputes: tuple[StripeReversal, ...]
    # Empty if it paid no invoice of a subscription.
    stripe_subscription_id: str
    # When the periods begin that its invoice is for.
    period_starts: frozenset[datetime]


@dataclass(frozen=True, kw_only=True)
class ReversedCharge:
    """One refund or dispute of a list, and the charge that it is about."""

    kind: Literal["refund", "dispute"]
    stripe_customer_id: str
    charge_id: str
    reversal: StripeReversal


def pages_of_reversals(*, since: datetime) -> Iterator[list[ReversedCharge]]:
    """Yield pages of the account's refunds and disputes, each kind newest first.

    Args:
        since: When they were made, at the earliest.
    """
    params = {"created": {"gte": int(since.timestamp())}, "expand": ["data.charge"]}
    kinds: tuple[Literal["refund", "dispute"], ...] = ("refund", "dispute")
    for kind in kinds:
        for page in pages(f"/v1/{kind}s", params=params):
            yield [
                ReversedCharge(
                    kind=kind,
                    stripe_customer_id=id_of(each["charge"].get("customer")),
                    charge_id=each["charge"]["id"],
                    reversal=reversal,
                )
                for each, reversal in zip(page, _read_all(page), strict=True)
                # A refund of a payment that is not made with a charge has none.
                if each.get("charge")
            ]


def fetch_charge(charge: str) -> StripeCharge:
    """Fetch a charge with its refunds, disputes and invoice.

    Args:
        charge: `ch_…`.

    Raises:
        StripeObjectNotFound: There is none, or not for our key.
    """
    data = call("get", "/v1/charges/{}", charge, params={"expand": ["refunds"]})
    invoice = _invoice_of(data.get("payment_intent"))
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    return StripeCharge(
        id=data["id"],
        stripe_customer_id=id_of(data.get("customer")),
        fully_refunded=bool(data.get("refunded")),
        refunds=_read_all((data.get("refunds") or {}).get("data") or ()),
        disputes=_disputes_of(charge) if data.get("disputed") else (),
        stripe_subscription_id=id_of(details.get("subscription")),
        period_starts=frozenset(
            datetime.fromtimestamp(line["period"]["start"], UTC)
            for line in (invoice.get("lines") or {}).get("data") or ()
        ),
    )


def _disputes_of(charge: str) -> tuple[StripeReversal, ...]:
    return _read_all(call("get", "/v1/disputes", params={"charge": charge, "limit": 100})["data"])


def _invoice_of(payment_intent: Any) -> dict[str, Any]:
    """Return the invoice that a payment intent paid; empty if it was for something else."""
    if not payment_intent:
        return {}
    payment = {"type": "payment_intent", "payment_intent": id_of(payment_intent)}
    params = {"payment": payment, "expand": ["data.invoice"]}
    paid = call("get", "/v1/invoice_payments", params=params)["data"]
    invoice: dict[str, Any] = paid[0]["invoice"] if paid else {}
    return invoice


def _read_all(found: Any) -> tuple[StripeReversal, ...]:
    return tuple(
        StripeReversal(
            id=each["id"],
            amount=each["amount"],
            currency=each["currency"],
            status=each["status"] or "",
            reason=each.get("reason") or "",
            created=datetime.fromtimestamp(each["created"], UTC),
        )
        for each in found
    )

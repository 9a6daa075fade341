"""Coupons redeemed into discounts, and what they take off an invoice's lines."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.events import emit
from stripe_sandbox.rules import periods
from stripe_sandbox.store import Work

Json = dict[str, Any]


def redeem(work: Work, wanted: list[Json], owner: Json, *, param: str = "discounts") -> list[str]:
    """Discounts for coupons, promotion codes or discounts that a request names.

    Args:
        work: The unit of work.
        wanted: The `discounts` parameter.
        owner: `customer`, and `subscription` or `invoice` that the discounts are for.
        param: Path of the parameter, for errors.
    """
    return [
        _redeem_one(work, one, owner, param=f"{param}[{index}]") for index, one in enumerate(wanted)
    ]


def _redeem_one(work: Work, wanted: Json, owner: Json, *, param: str) -> str:
    if wanted.get("discount"):
        return str(
            work.referenced("discount", wanted["discount"], param=f"{param}[discount]")["id"]
        )
    promotion = None
    if wanted.get("promotion_code"):
        code = wanted["promotion_code"]
        promotion = work.referenced("promotion_code", code, param=f"{param}[promotion_code]")
        coupon_id = promotion["promotion"]["coupon"]
    else:
        coupon_id = wanted.get("coupon", "")
    coupon = work.referenced("coupon", coupon_id, param=f"{param}[coupon]")
    return _new_discount(work, coupon, owner, promotion)


def _new_discount(work: Work, coupon: Json, owner: Json, promotion: Json | None) -> str:
    if not coupon["valid"]:
        raise InvalidRequest(f"Coupon expired: {coupon['id']}", code="coupon_expired")
    coupon["times_redeemed"] += 1
    limit = coupon["max_redemptions"]
    coupon["valid"] = limit is None or coupon["times_redeemed"] < limit
    work.save(coupon)
    clock = owner.pop("_clock", None)
    start = work.now(clock)
    months = coupon["duration_in_months"]
    discount = work.create(
        "discount",
        {
            "end": periods.add(start, "month", months) if months else None,
            "promotion_code": promotion["id"] if promotion else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": start,
            **owner,
        },
    )
    emit(work, "customer.discount.created", discount)
    return str(discount["id"])


def take(work: Work, identifiers: list[str], moment: int) -> list[str]:
    """The discounts that apply to a new invoice; those of duration `once` are used up by it."""
    taken = []
    for identifier in identifiers:
        discount = work.get("discount", identifier)
        coupon = work.get("coupon", discount["source"]["coupon"])
        over = discount["end"] is not None and discount["end"] <= moment
        if over or (coupon["duration"] == "once" and discount.get("_used")):
            continue
        discount["_used"] = True
        work.save(discount)
        taken.append(identifier)
    return taken


def apply(work: Work, lines: list[Json], identifiers: list[str]) -> list[Json]:
    """Put discount amounts on lines; returns the invoice's `total_discount_amounts`."""
    totals = []
    for discount in (work.get("discount", identifier) for identifier in identifiers):
        coupon = work.get("coupon", discount["source"]["coupon"])
        eligible = [line for line in lines if line["discountable"] and line["amount"] > 0]
        amounts = _shares(coupon, [_net(line) for line in eligible])
        for line, amount in zip(eligible, amounts, strict=True):
            line["discount_amounts"].append({"amount": amount, "discount": discount["id"]})
            line["pretax_credit_amounts"].append(
                {"amount": amount, "discount": discount["id"], "type": "discount"}
                | {"credit_balance_transaction": None}
            )
        totals.append({"amount": sum(amounts), "discount": discount["id"]})
    return totals


def _net(line: Json) -> int:
    return int(line["amount"] - sum(one["amount"] for one in line["discount_amounts"]))


def _shares(coupon: Json, amounts: list[int]) -> list[int]:
    """What a coupon takes off each amount; a fixed sum is spread in proportion."""
    if coupon["percent_off"] is not None:
        rate = Decimal(str(coupon["percent_off"])) / 100
        return [rounded(Decimal(amount) * rate) for amount in amounts]
    total = sum(amounts)
    left = min(int(coupon["amount_off"]), total)
    shares = []
    for amount in amounts:
        share = rounded(Decimal(left) * amount / total) if total else 0
        shares.append(share)
        left, total = left - share, total - amount
    return shares


def rounded(amount: Decimal) -> int:
    """A whole number of the smallest currency unit, halves away from zero."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))

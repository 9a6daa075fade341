"""Coupons redeemed into discounts, and what they take off an invoice's lines."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.rules import periods
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]

_TERMS = ("amount_off", "currency", "duration", "percent_off")


def redeem(work: Work, wanted: list[Json], owner: Json, *, param: str = "discounts") -> list[str]:
    """Discounts for coupons, promotion codes or discounts that a request names.

    Args:
        work: The unit of work.
        wanted: The `discounts` parameter.
        owner: `customer`, and `subscription` or `invoice` that the discounts are
            for; `_currency` of that, and the `_clock` it lives on.
        param: Path of the parameter, for errors.
    """
    return [
        _redeem_one(work, one, owner, param=f"{param}[{index}]") for index, one in enumerate(wanted)
    ]


def _redeem_one(work: Work, wanted: Json, owner: Json, *, param: str) -> str:
    if wanted.get("discount"):
        path = f"{param}[discount]"
        given = work.referenced("discount", wanted["discount"], param=path)
        if given["customer"] != owner["customer"]:
            raise ResourceMissing("discount", wanted["discount"], param=path, status=400)
        return str(given["id"])
    promotion = None
    if wanted.get("promotion_code"):
        path = f"{param}[promotion_code]"
        promotion = work.referenced("promotion_code", wanted["promotion_code"], param=path)
        _check_promotion(work, promotion, owner, param=path)
        coupon_id = promotion["promotion"]["coupon"]
    else:
        coupon_id = wanted.get("coupon", "")
    coupon = work.referenced("coupon", coupon_id, param=f"{param}[coupon]")
    _check_coupon(work, coupon, owner, param=param)
    return _new_discount(work, coupon, owner, promotion)


def _check_promotion(work: Work, promotion: Json, owner: Json, *, param: str) -> None:
    """Refuse a code that this customer cannot redeem now; the words are not Stripe's.

    Raises:
        InvalidRequest: It is switched off, used up, expired, or another customer's.
    """
    expires, meant_for = promotion["expires_at"], promotion["customer"]
    why = None
    if not promotion["active"]:
        why = "is inactive"
    elif expires is not None and expires <= work.now():
        why = "has expired"
    elif meant_for not in {None, owner["customer"]}:
        why = "belongs to another customer"
    if why:
        raise InvalidRequest(
            f"The promotion code {promotion['code']} cannot be redeemed: it {why}.", param=param
        )


def _check_coupon(work: Work, coupon: Json, owner: Json, *, param: str) -> None:
    if not redeemable(work, coupon):
        raise InvalidRequest(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param)
    if coupon["currency"] not in {None, owner["_currency"]}:
        raise InvalidRequest(
            f"The coupon's currency is {coupon['currency']}, not {owner['_currency']}.",
            param=param,
        )


def redeemable(work: Work, coupon: Json) -> bool:
    """Whether a coupon is neither used up nor past its `redeem_by`."""
    limit, until = coupon["max_redemptions"], coupon["redeem_by"]
    used_up = limit is not None and coupon["times_redeemed"] >= limit
    return not used_up and (until is None or work.now() < until)


def _count(work: Work, redeemed: Json) -> bool:
    """Count a redemption of a coupon or a code; whether there can be another one."""
    redeemed["times_redeemed"] += 1
    limit = redeemed["max_redemptions"]
    work.save(redeemed)
    return limit is None or redeemed["times_redeemed"] < limit


def _new_discount(work: Work, coupon: Json, owner: Json, promotion: Json | None) -> str:
    _count(work, coupon)
    if promotion and not _count(work, promotion):
        promotion["active"] = False
    start = work.now(owner["_clock"])
    months = coupon["duration_in_months"]
    discount = work.create(
        "discount",
        {
            "end": periods.add(start, "month", months) if months else None,
            "promotion_code": promotion["id"] if promotion else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": start,
            # What it takes off; the coupon may be deleted while the discount goes on.
            "_coupon": {name: coupon[name] for name in _TERMS},
            **{name: value for name, value in owner.items() if not name.startswith("_")},
        },
    )
    emit(work, "customer.discount.created", discount)
    return str(discount["id"])


def runs(discount: Json, moment: int) -> bool:
    """Whether a discount still takes something off at a moment."""
    over = discount["end"] is not None and discount["end"] <= moment
    return not over and not (discount["_coupon"]["duration"] == "once" and discount.get("_used"))


def take(work: Work, identifiers: list[str], moment: int) -> list[str]:
    """The discounts that apply to a new invoice; those of duration `once` are used up by it."""
    taken = []
    for identifier in identifiers:
        discount = work.get("discount", identifier)
        if not runs(discount, moment):
            continue
        discount["_used"] = True
        work.save(discount)
        taken.append(identifier)
    return taken


def apply(work: Work, lines: list[Json], identifiers: list[str]) -> list[Json]:
    """Put discount amounts on lines; returns the invoice's `total_discount_amounts`."""
    totals = []
    for discount in (work.get("discount", identifier) for identifier in identifiers):
        coupon = discount["_coupon"]
        eligible = [line for line in lines if line["discountable"] and line["amount"] > 0]
        amounts = _shares(coupon, [_net(line) for line in eligible])
        for line, amount in zip(eligible, amounts, strict=True):
            line["discount_amounts"].append({"amount": amount, "discount": discount["id"]})
            line["pretax_credit_amounts"].append(
                {"amount": amount, "discount": discount["id"], "type": "discount"}
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

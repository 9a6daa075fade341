"""Coupons redeemed into discounts, and what they take off an invoice's lines."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from stripe_sandbox.errors import InvalidRequest, ResourceMissing
from stripe_sandbox.objects.catalogue import Coupon, Discount, PromotionCode
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.invoices import DiscountAmount, InvoiceLine
from stripe_sandbox.objects.state import DiscountState
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.rules import periods
from stripe_sandbox.storage.kinds import COUPON, DISCOUNT, PROMOTION_CODE
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


@dataclass(frozen=True)
class Owner:
    """What discounts are redeemed for.

    Attributes:
        customer: The id of the customer.
        currency: The currency of the subscription or invoice.
        clock: The test clock that the customer lives on.
        subscription: The id of the subscription, if it is for one.
        invoice: The id of the invoice, if it is for one alone.
    """

    customer: str
    currency: str
    clock: str | None
    subscription: str | None = None
    invoice: str | None = None


def owner_of(subscription: Subscription) -> Owner:
    """The owner of a subscription's discounts."""
    return Owner(
        subscription["customer"],
        subscription["currency"],
        subscription["test_clock"],
        subscription=subscription["id"],
    )


def redeem(work: Work, wanted: list[Json], owner: Owner, *, param: str = "discounts") -> list[str]:
    """The ids of discounts for the coupons, promotion codes or discounts that a request names.

    Args:
        work: The unit of work.
        wanted: The `discounts` parameter.
        owner: What they are redeemed for.
        param: Path of the parameter, for errors.
    """
    return [
        _redeem_one(work, one, owner, param=f"{param}[{index}]") for index, one in enumerate(wanted)
    ]


def _redeem_one(work: Work, wanted: Json, owner: Owner, *, param: str) -> str:
    if wanted.get("discount"):
        path = f"{param}[discount]"
        given = work.referenced(DISCOUNT, wanted["discount"], param=path)
        if given["customer"] != owner.customer:
            raise ResourceMissing("discount", wanted["discount"], param=path, status=400)
        return given["id"]
    promotion = None
    if wanted.get("promotion_code"):
        path = f"{param}[promotion_code]"
        promotion = work.referenced(PROMOTION_CODE, wanted["promotion_code"], param=path)
        _check_promotion(work, promotion, owner, param=path)
        coupon_id = promotion["promotion"]["coupon"]
    else:
        coupon_id = wanted.get("coupon", "")
    coupon = work.referenced(COUPON, coupon_id, param=f"{param}[coupon]")
    _check_coupon(work, coupon, owner, param=param)
    return _new_discount(work, coupon, owner, promotion)


def _check_promotion(work: Work, promotion: PromotionCode, owner: Owner, *, param: str) -> None:
    """Refuse a code that this customer cannot redeem now; the sentence is not Stripe's.

    Raises:
        InvalidRequest: It is inactive, expired, or another customer's.
    """
    expires, meant_for = promotion["expires_at"], promotion["customer"]
    why = None
    if not promotion["active"]:
        why = "is inactive"
    elif expires is not None and expires <= work.now():
        why = "has expired"
    elif meant_for not in {None, owner.customer}:
        why = "belongs to another customer"
    if why:
        raise InvalidRequest(
            f"The promotion code {promotion['code']} cannot be redeemed: it {why}.", param=param
        )


def _check_coupon(work: Work, coupon: Coupon, owner: Owner, *, param: str) -> None:
    if not redeemable(work, coupon):
        raise InvalidRequest(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param)
    if coupon["currency"] not in {None, owner.currency}:
        raise InvalidRequest(
            f"The coupon's currency is {coupon['currency']}, not {owner.currency}.",
            param=param,
        )


def redeemable(work: Work, coupon: Thing) -> bool:
    """Whether a coupon is neither used up nor past its `redeem_by`."""
    limit, until = coupon["max_redemptions"], coupon["redeem_by"]
    used_up = limit is not None and coupon["times_redeemed"] >= limit
    return not used_up and (until is None or work.now() < int(until))


def _count(work: Work, redeemed: Coupon | PromotionCode) -> bool:
    """Count a redemption of a coupon or a code; returns whether there can be another one."""
    redeemed["times_redeemed"] += 1
    limit = redeemed["max_redemptions"]
    work.save(redeemed)
    return limit is None or redeemed["times_redeemed"] < limit


def _new_discount(work: Work, coupon: Coupon, owner: Owner, promotion: PromotionCode | None) -> str:
    _count(work, coupon)
    if promotion and not _count(work, promotion):
        promotion["active"] = False
    start = work.now(owner.clock)
    months = coupon["duration_in_months"]
    discount = work.create(
        DISCOUNT,
        {
            "end": periods.add(start, "month", months) if months else None,
            "promotion_code": promotion["id"] if promotion else None,
            "source": {"coupon": coupon["id"], "type": "coupon"},
            "start": start,
            "customer": owner.customer,
            "subscription": owner.subscription,
            "invoice": owner.invoice,
        },
    )
    work.state(discount, DiscountState).terms = {
        "amount_off": coupon["amount_off"],
        "duration": coupon["duration"],
        "percent_off": coupon["percent_off"],
    }
    emit(work, "customer.discount.created", discount)
    return discount["id"]


def runs(work: Work, discount: Discount, moment: int) -> bool:
    """Whether a discount still reduces invoices at a moment."""
    over = discount["end"] is not None and discount["end"] <= moment
    state = work.state(discount, DiscountState)
    return not over and not (state.terms["duration"] == "once" and state.used)


def take(work: Work, identifiers: list[str], moment: int) -> list[str]:
    """The discounts that apply to a new invoice; those of duration `once` are used up by it."""
    taken = []
    for identifier in identifiers:
        discount = work.get(DISCOUNT, identifier)
        if not runs(work, discount, moment):
            continue
        work.state(discount, DiscountState).used = True
        taken.append(identifier)
    return taken


def apply(work: Work, lines: list[InvoiceLine], identifiers: list[str]) -> list[DiscountAmount]:
    """Put discount amounts on lines; returns the invoice's `total_discount_amounts`."""
    totals: list[DiscountAmount] = []
    for discount in (work.get(DISCOUNT, identifier) for identifier in identifiers):
        terms = work.state(discount, DiscountState).terms
        eligible = [line for line in lines if line["discountable"] and line["amount"] > 0]
        amounts = _shares(terms, [_net(line) for line in eligible])
        for line, amount in zip(eligible, amounts, strict=True):
            line["discount_amounts"].append({"amount": amount, "discount": discount["id"]})
            line["pretax_credit_amounts"].append(
                {"amount": amount, "discount": discount["id"], "type": "discount"}
            )
        totals.append({"amount": sum(amounts), "discount": discount["id"]})
    return totals


def _net(line: InvoiceLine) -> int:
    return line["amount"] - sum(one["amount"] for one in line["discount_amounts"])


def _shares(terms: Json, amounts: list[int]) -> list[int]:
    """What a coupon takes off each amount; a fixed sum is spread in proportion."""
    if terms["percent_off"] is not None:
        rate = Decimal(str(terms["percent_off"])) / 100
        return [rounded(Decimal(amount) * rate) for amount in amounts]
    total = sum(amounts)
    left = min(int(terms["amount_off"]), total)
    shares = []
    for amount in amounts:
        share = rounded(Decimal(left) * amount / total) if total else 0
        shares.append(share)
        left, total = left - share, total - amount
    return shares


def rounded(amount: Decimal) -> int:
    """A whole number of the smallest currency unit, halves away from zero."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))

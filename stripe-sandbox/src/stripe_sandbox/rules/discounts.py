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
from stripe_sandbox.storage.kinds import CHARGE, COUPON, DISCOUNT, INVOICE, PROMOTION_CODE
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


@dataclass(frozen=True)
class Owner:
    """What discounts are redeemed for.

    Attributes:
        customer: The id of the customer, if there is one.
        currency: The currency of the subscription or invoice.
        clock: The test clock that the customer lives on.
        amount: What the purchase comes to before discounts, for restrictions of codes.
        subscription: The id of the subscription, if it is for one.
        subscription_item: The id of the subscription item, if it is for one alone.
        invoice: The id of the invoice, if it is for one alone.
        invoice_item: The id of the invoice item, if it is for one alone.
        checkout_session: The id of the Checkout session of a one-time payment.
    """

    customer: str | None
    currency: str
    clock: str | None
    amount: int
    subscription: str | None = None
    subscription_item: str | None = None
    invoice: str | None = None
    invoice_item: str | None = None
    checkout_session: str | None = None


def owner_of(subscription: Subscription, amount: int) -> Owner:
    """The owner of a subscription's discounts.

    Args:
        amount: What its items cost in a whole period.
    """
    return Owner(
        subscription["customer"],
        subscription["currency"],
        subscription["test_clock"],
        amount,
        subscription=subscription["id"],
    )


def redeem(work: Work, wanted: list[Json], owner: Owner, *, param: str = "discounts") -> list[str]:
    """The ids of discounts for the coupons, promotion codes or discounts that a request names.

    Args:
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
        InvalidRequest: It is inactive, expired, another customer's, or its restrictions are
            not met.
    """
    expires, meant_for = promotion["expires_at"], promotion["customer"]
    why = None
    if not promotion["active"]:
        why = "it is inactive"
    elif expires is not None and expires <= work.now():
        why = "it has expired"
    elif meant_for not in {None, owner.customer}:
        why = "it belongs to another customer"
    why = why or _unmet(work, promotion["restrictions"], owner)
    if why:
        raise InvalidRequest(f"This promotion code cannot be redeemed because {why}.", param=param)


def _unmet(work: Work, restrictions: Json, owner: Owner) -> str | None:
    """The restriction of a promotion code that a purchase does not meet."""
    least = restrictions.get("minimum_amount")
    if restrictions["first_time_transaction"] and _has_paid(work, owner.customer):
        return "the associated customer has prior transactions"
    if least is None:
        return None
    if restrictions["minimum_amount_currency"] != owner.currency:
        return "its minimum amount is in another currency"
    return "the amount is below its minimum amount" if owner.amount < least else None


def _has_paid(work: Work, customer: str | None) -> bool:
    """Whether a customer has made a successful payment or has a paid invoice."""
    if customer is None:
        return False
    charges = work.newest(CHARGE, {"customer": customer, "status": "succeeded"}, limit=1)
    return bool(charges or work.newest(INVOICE, {"customer": customer, "status": "paid"}, limit=1))


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
            "subscription_item": owner.subscription_item,
            "invoice": owner.invoice,
            "invoice_item": owner.invoice_item,
            "checkout_session": owner.checkout_session,
        },
    )
    work.state(discount, DiscountState).terms = {
        "amount_off": coupon["amount_off"],
        "duration": coupon["duration"],
        "percent_off": coupon["percent_off"],
        "products": (coupon.get("applies_to") or {}).get("products"),
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
    """Put discount amounts on lines: first those of single lines, then those of the invoice.

    Returns:
        The invoice's `total_discount_amounts`.
    """
    totals: dict[str, int] = {}
    for line in lines:
        for identifier in line["discounts"]:
            _apply_one(work, identifier, [line], totals)
    for identifier in identifiers:
        _apply_one(work, identifier, lines, totals)
    return [{"amount": amount, "discount": identifier} for identifier, amount in totals.items()]


def _apply_one(
    work: Work, identifier: str, lines: list[InvoiceLine], totals: dict[str, int]
) -> None:
    terms = work.state(work.get(DISCOUNT, identifier), DiscountState).terms
    eligible = [line for line in lines if _reduces(terms, line)]
    amounts = _shares(terms, [_net(line) for line in eligible])
    for line, amount in zip(eligible, amounts, strict=True):
        line["discount_amounts"].append({"amount": amount, "discount": identifier})
        line["pretax_credit_amounts"].append(
            {"amount": amount, "discount": identifier, "type": "discount"}
        )
    totals[identifier] = totals.get(identifier, 0) + sum(amounts)


def _reduces(terms: Json, line: InvoiceLine) -> bool:
    """Whether a coupon reduces a line; a coupon for some products reduces theirs alone."""
    product = ((line["pricing"] or {}).get("price_details") or {}).get("product")
    meant = not terms.get("products") or product in terms["products"]
    return meant and line["discountable"] and line["amount"] > 0


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

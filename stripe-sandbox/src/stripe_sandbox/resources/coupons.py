"""Coupons and promotion codes."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, includes, presents, retrieves
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.catalogue import Coupon
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.rules import discounts
from stripe_sandbox.storage.kinds import COUPON, CUSTOMER, PRODUCT, PROMOTION_CODE
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_MOST_MONTHS = 1200


@presents("coupon")
def shown(work: Work, coupon: Json) -> Json:
    """A coupon is valid until it is used up or its time is over."""
    coupon.pop("applies_to", None)
    return coupon | {"valid": discounts.redeemable(work, coupon)}


@includes("coupon", "applies_to")
def applies_to(work: Work, coupon: Json) -> Json | None:
    """The products a coupon is for, shown when a caller expands them."""
    stored = work.find(COUPON, coupon["id"])
    return stored.get("applies_to") if stored else None


@handles("coupons.create")
def create(call: Call) -> Thing:
    """Create a coupon: a percentage or an amount off, once, for some months, or forever."""
    return make(call.work, call.params)


def make(work: Work, params: Any) -> Coupon:
    """Store a coupon described by parameters."""
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if (percent is None) == (amount is None):
        raise InvalidRequest("You must pass either `amount_off` or `percent_off`.")
    if amount is not None and not params.get("currency"):
        raise InvalidRequest(
            "You must pass currency when passing amount_off",
            code="parameter_missing",
            param="currency",
        )
    duration = params.get("duration", "once")
    months = params.get("duration_in_months")
    if (duration == "repeating") != (months is not None):
        raise InvalidRequest(
            "`duration_in_months` is for coupons of duration `repeating`.",
            param="duration_in_months",
        )
    _check_range(params)
    products = (params.get("applies_to") or {}).get("products") or []
    for product in products:
        work.referenced(PRODUCT, product, param="applies_to[products]")
    identifier = params.get("id") or work.ids.text(8)
    coupon = work.create(
        COUPON,
        {
            "id": identifier,
            "amount_off": amount,
            "applies_to": {"products": products} if products else None,
            "currency": (params.get("currency") or "").lower() or None,
            "duration": duration,
            "duration_in_months": months,
            "metadata": changes.metadata({}, params),
            "percent_off": percent,
            "times_redeemed": 0,
            "valid": True,
            **changes.given(params, "max_redemptions", "name", "redeem_by"),
        },
    )
    emit(work, "coupon.created", coupon)
    return coupon


def _check_range(params: Any) -> None:
    percent, months = params.get("percent_off"), params.get("duration_in_months")
    if percent is not None and not 0 < percent <= 100:
        raise InvalidRequest(
            "Invalid percent_off: must be greater than 0 and at most 100.", param="percent_off"
        )
    if months is not None and not 1 <= months <= _MOST_MONTHS:
        raise InvalidRequest("Invalid duration_in_months.", param="duration_in_months")
    if params.get("amount_off", 1) <= 0:
        raise InvalidRequest("Invalid amount_off: must be positive.", param="amount_off")


retrieves("coupons.retrieve", COUPON, param="coupon")


@handles("coupons.update")
def update(call: Call) -> Thing:
    """Change a coupon's name or metadata; what it takes off cannot change."""
    coupon = call.work.get(COUPON, call.id, param="coupon")
    changes.apply(coupon, call.params, "name")
    emit(call.work, "coupon.updated", call.work.save(coupon))
    return coupon


@handles("coupons.delete")
def delete(call: Call) -> Thing:
    """Delete a coupon; the discounts it gave stay."""
    coupon = call.work.get(COUPON, call.id, param="coupon")
    emit(call.work, "coupon.deleted", coupon)
    return call.work.delete(coupon)


@handles("coupons.list")
def list_coupons(call: Call) -> Thing:
    """Coupons, newest first."""
    return page(call, COUPON, {})


@handles("promotion_codes.create")
def create_code(call: Call) -> Thing:
    """A code that customers type in to get a coupon."""
    work, params = call.work, call.params
    coupon = params["promotion"].get("coupon")
    work.referenced(COUPON, coupon or "", param="promotion[coupon]")
    code = params.get("code") or work.ids.text(8).upper()
    if any(one["active"] for one in work.all(PROMOTION_CODE, {"code": code})):
        raise InvalidRequest("An active promotion code with this code exists.", param="code")
    restrictions = _restrictions(params.get("restrictions") or {})
    if params.get("customer"):
        work.referenced(CUSTOMER, params["customer"], param="customer")
    made = work.create(
        PROMOTION_CODE,
        {
            "active": params.get("active", True),
            "code": code,
            "metadata": changes.metadata({}, params),
            "promotion": {"type": "coupon", "coupon": coupon},
            "restrictions": restrictions,
            "times_redeemed": 0,
            **changes.given(params, "customer", "expires_at", "max_redemptions"),
        },
    )
    emit(work, "promotion_code.created", made)
    return made


def _restrictions(wanted: Json) -> Json:
    if "currency_options" in wanted:
        path = "restrictions[currency_options]"
        raise NotCovered("minimum amounts in several currencies", param=path)
    if ("minimum_amount" in wanted) != ("minimum_amount_currency" in wanted):
        missing = "minimum_amount_currency" if "minimum_amount" in wanted else "minimum_amount"
        path = f"restrictions[{missing}]"
        raise InvalidRequest(
            f"Missing required param: {path}.", code="parameter_missing", param=path
        )
    currency = wanted.get("minimum_amount_currency")
    return {
        "first_time_transaction": wanted.get("first_time_transaction", False),
        "minimum_amount": wanted.get("minimum_amount"),
        "minimum_amount_currency": currency.lower() if currency else None,
    }


retrieves("promotion_codes.retrieve", PROMOTION_CODE)


@handles("promotion_codes.update")
def update_code(call: Call) -> Thing:
    """Activate or deactivate a code, or change its metadata."""
    code = call.work.get(PROMOTION_CODE, call.id)
    changes.apply(code, call.params, "active")
    emit(call.work, "promotion_code.updated", call.work.save(code))
    return code


@handles("promotion_codes.list")
def list_codes(call: Call) -> Thing:
    """Promotion codes, newest first."""
    names = ("active", "code", "customer")
    return page(call, PROMOTION_CODE, {name: call.params.get(name) for name in names})

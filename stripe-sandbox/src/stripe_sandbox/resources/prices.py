"""Prices, and the plan that every subscription item still shows beside its price."""

from decimal import Decimal
from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.resources import searching
from stripe_sandbox.rules.invoice_lines import recurring_of
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import PRICE, PRODUCT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_MOST = {"day": 1095, "week": 156, "month": 36, "year": 3}


@handles("prices.create")
def create(call: Call) -> Thing:
    """A price for a product that exists or is described."""
    params = call.params
    if "product_data" in params:
        product = call.work.create(PRODUCT, new_product(call.work, params["product_data"]))
        emit(call.work, "product.created", product)
        return make(call.work, params.replaced(product=product["id"]))
    if "product" not in params:
        raise InvalidRequest(
            "You must specify either `product` or `product_data` when creating a price.",
            code="parameter_missing",
            param="product",
        )
    call.work.referenced(PRODUCT, params["product"], param="product")
    return make(call.work, params)


def new_product(work: Work, data: Json) -> Json:
    """What a product described inside a price starts with."""
    return {"active": True, "type": "service", "updated": work.now(), **data}


def make(work: Work, params: Any) -> Price:
    """Store a price described by parameters whose product is known to exist."""
    if params.get("tiers") or params.get("billing_scheme") == "tiered":
        raise NotCovered("tiered prices", param="tiers")
    if params.get("custom_unit_amount") or params.get("currency_options"):
        raise NotCovered("custom amounts and currency options of prices")
    groups = params.get("transform_quantity") or {"divide_by": 1}
    if groups["divide_by"] < 1:
        raise InvalidRequest(
            "Invalid divide_by: must be greater than 0.", param="transform_quantity[divide_by]"
        )
    key = params.get("lookup_key")
    if key:
        _claim_lookup_key(work, key, transfer=bool(params.get("transfer_lookup_key")))
    amount, decimal = _amount(params)
    recurring = params.get("recurring")
    price = work.create(
        PRICE,
        {
            "id": params.get("id") or work.ids.new("price_"),
            "active": params.get("active", True),
            "billing_scheme": "per_unit",
            "currency": params["currency"].lower(),
            "lookup_key": key,
            "metadata": changes.metadata({}, params),
            "nickname": params.get("nickname"),
            "product": params["product"],
            "recurring": _recurring(recurring) if recurring else None,
            "tax_behavior": params.get("tax_behavior", "unspecified"),
            "transform_quantity": params.get("transform_quantity"),
            "type": "recurring" if recurring else "one_time",
            "unit_amount": amount,
            "unit_amount_decimal": decimal,
        },
    )
    emit(work, "price.created", price)
    return price


def hidden(work: Work, unit_amount: str, currency: str, name: str | None) -> Price:
    """The price, and its product, that Stripe makes for an invoice item that has none."""
    product = work.create(
        PRODUCT, new_product(work, {"name": name or "Invoice item", "active": False})
    )
    whole = float(unit_amount).is_integer()
    return work.create(
        PRICE,
        {
            "active": False,
            "billing_scheme": "per_unit",
            "currency": currency,
            "metadata": {},
            "product": product["id"],
            "tax_behavior": "unspecified",
            "type": "one_time",
            "unit_amount": int(float(unit_amount)) if whole else None,
            "unit_amount_decimal": unit_amount,
        },
    )


def _amount(params: Any) -> tuple[int | None, str]:
    amount, decimal = params.get("unit_amount"), params.get("unit_amount_decimal")
    if (amount is None) == (decimal is None):
        raise InvalidRequest(
            "You must specify exactly one of `unit_amount` or `unit_amount_decimal`.",
            param="unit_amount",
        )
    if Decimal(amount if decimal is None else decimal) < 0:
        raise InvalidRequest(
            "This value must be greater than or equal to 0.",
            code="parameter_invalid_integer",
            param="unit_amount" if decimal is None else "unit_amount_decimal",
        )
    if decimal is None:
        return amount, str(amount)
    return (int(float(decimal)) if float(decimal).is_integer() else None), decimal


def _recurring(params: Json) -> Json:
    if params.get("usage_type") == "metered" or params.get("meter"):
        raise NotCovered("metered prices", param="recurring[usage_type]")
    count = params.get("interval_count", 1)
    if not 1 <= count <= _MOST[params["interval"]]:
        raise InvalidRequest(
            "Maximum of three years interval allowed (3 years, 36 months, or 156 weeks).",
            param="recurring[interval_count]",
        )
    return {
        "interval": params["interval"],
        "interval_count": params.get("interval_count", 1),
        "trial_period_days": params.get("trial_period_days"),
        "usage_type": "licensed",
    }


def _claim_lookup_key(work: Work, key: str, *, transfer: bool) -> None:
    for owner in work.all(PRICE, {"lookup_key": key}):
        if not transfer:
            raise InvalidRequest(
                f"A price (`{owner['id']}`) already uses that lookup key.", param="lookup_key"
            )
        owner["lookup_key"] = None
        emit(work, "price.updated", work.save(owner))


retrieves("prices.retrieve", PRICE)


@handles("prices.update")
def update(call: Call) -> Thing:
    """Change what may change of a price; amounts may not."""
    price = call.work.get(PRICE, call.id)
    key = call.params.get("lookup_key")
    if key and key != price["lookup_key"]:
        _claim_lookup_key(
            call.work, key, transfer=bool(call.params.get("transfer_lookup_key", False))
        )
    changes.apply(price, call.params, "active", "lookup_key", "nickname", "tax_behavior")
    emit(call.work, "price.updated", call.work.save(price))
    return price


@handles("prices.list")
def list_prices(call: Call) -> Thing:
    """Prices, newest first."""
    recurring = call.params.get("recurring") or {}
    where = {name: call.params.get(name) for name in ("active", "currency", "product", "type")}
    where |= {
        "lookup_key": call.params.get("lookup_keys"),
        "recurring.interval": recurring.get("interval"),
    }
    return page(call, PRICE, where)


@handles("prices.search")
def search(call: Call) -> Thing:
    """Prices by product, currency, lookup key, activity, type or metadata."""
    return searching.search(call, PRICE)


def plan_of(price: Price) -> Json:
    """The legacy plan that Stripe shows beside a recurring price."""
    recurring = recurring_of(price)
    return response_shapes.new(
        "plan",
        {
            "id": price["id"],
            "active": price["active"],
            "amount": price["unit_amount"],
            "amount_decimal": price["unit_amount_decimal"],
            "billing_scheme": price["billing_scheme"],
            "created": price["created"],
            "currency": price["currency"],
            "interval": recurring["interval"],
            "interval_count": recurring["interval_count"],
            "livemode": price["livemode"],
            "metadata": price["metadata"],
            "nickname": price["nickname"],
            "product": price["product"],
            "trial_period_days": recurring["trial_period_days"],
            "usage_type": recurring["usage_type"],
        },
    )

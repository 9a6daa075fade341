"""Parameters of subscriptions: prices, trials, anchors, planned cancellation."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.resources import prices
from stripe_sandbox.rules import periods, prorating, subscriptions
from stripe_sandbox.rules.invoice_lines import amount_of, pricing_of, recurring_of
from stripe_sandbox.storage.kinds import PRICE, PRODUCT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

ITEM_FIELDS = (
    "id",
    "deleted",
    "discounts",
    "metadata",
    "plan",
    "price",
    "price_data",
    "quantity",
    "tax_rates",
)
_PAYMENT_SETTINGS = (
    "payment_method_options",
    "payment_method_types",
    "save_default_payment_method",
)


def payment_settings(params: Any) -> Json:
    """The `payment_settings` of a request.

    Raises:
        NotCovered: They are about other payment methods than cards, or would have no effect.
    """
    path = "payment_settings"
    settings: Json = changes.plain(params.get(path) or {})
    changes.only(settings, *_PAYMENT_SETTINGS, path=path)
    others = sorted(set(settings.get("payment_method_types") or []) - {"card", "link"})
    if others:
        param = f"{path}[payment_method_types]"
        raise NotCovered(f"the payment method type {others[0]}", param=param)
    options, path = settings.get("payment_method_options") or {}, f"{path}[payment_method_options]"
    card = changes.only(options, "card", path=path).get("card") or {}
    changes.only(card, "request_three_d_secure", path=f"{path}[card]")
    if card.get("request_three_d_secure", "automatic") != "automatic":
        param = f"{path}[card][request_three_d_secure]"
        raise NotCovered("3-D Secure that the card does not ask for", param=param)
    return settings


def trial_settings(params: Any) -> Json:
    """The `trial_settings` of a request.

    Raises:
        NotCovered: The trial's end is to leave the billing cycle anchor alone.
    """
    wanted: Json = changes.plain(params.get("trial_settings") or {})
    behavior = wanted.get("end_behavior") or {}
    if behavior.pop("billing_cycle_anchor", "now") != "now":
        param = "trial_settings[end_behavior][billing_cycle_anchor]"
        raise NotCovered(f"the parameter `{param}`", param=param)
    return {"end_behavior": {"missing_payment_method": "create_invoice", **behavior}}


def recurring_price(work: Work, wanted: Json, param: str) -> Price:
    """The price of a wanted item, which must recur and be on sale.

    Raises:
        InvalidRequest: It is missing, inactive or a one-time price.
        NotCovered: The item asks for more than a price can say.
    """
    changes.only(wanted, *ITEM_FIELDS, path=param)
    described = wanted.get("price_data")
    if described and not described.get("recurring"):
        path = f"{param}[price_data][recurring]"
        raise InvalidRequest(
            f"Missing required param: {path}.", code="parameter_missing", param=path
        )
    if described:
        return inline_price(work, described, param)
    identifier = wanted.get("price") or wanted.get("plan")
    if not identifier:
        raise InvalidRequest(
            f"Missing required param: {param}[price].",
            code="parameter_missing",
            param=f"{param}[price]",
        )
    price = work.referenced(PRICE, identifier, param=f"{param}[price]")
    if not price["active"]:
        raise InvalidRequest(
            "The price specified is inactive. This field only accepts active prices.",
            param=f"{param}[price]",
        )
    if price["type"] != "recurring":
        raise InvalidRequest(
            f"The price specified is set to `type=one_time` but this field only accepts prices "
            f"with `type=recurring`: {identifier}",
            param=f"{param}[price]",
        )
    return price


def inline_price(work: Work, data: Json, param: str) -> Price:
    """The price that an item describes; no other item can use it, so it is not active.

    Raises:
        InvalidRequest: It names no product that exists, and describes none.
    """
    if data.get("product_data"):
        product = work.create(PRODUCT, prices.new_product(work, data["product_data"]))
        emit(work, "product.created", product)
    else:
        path = f"{param}[price_data][product]"
        product = work.referenced(PRODUCT, data.get("product", ""), param=path)
    return prices.make(work, {**data, "product": product["id"], "active": False})


def add_invoice_item(work: Work, subscription: Subscription, wanted: Json, param: str) -> None:
    """Put a one-time price on the subscription's next invoice, for its current period.

    Raises:
        InvalidRequest: It names no price and describes none.
        NotCovered: The item asks for more than a price can say.
    """
    changes.only(wanted, "price", "price_data", "quantity", "metadata", path=param)
    if wanted.get("price_data"):
        price = inline_price(work, wanted["price_data"], param)
    else:
        price = work.referenced(PRICE, wanted.get("price") or "", param=f"{param}[price]")
    product, quantity = work.find(PRODUCT, price["product"]), wanted.get("quantity", 1)
    first = subscription["items"]["data"][0]
    item = prorating.pending_item(
        work,
        subscription["customer"],
        {
            "amount": amount_of(price, quantity),
            "currency": subscription["currency"],
            "date": subscriptions.now(work, subscription),
            "description": product["name"] if product else None,
            "discountable": True,
            "metadata": changes.metadata({}, wanted),
            "parent": {
                "type": "subscription_details",
                "subscription_details": {"subscription": subscription["id"]},
            },
            "period": {
                "start": first["current_period_start"],
                "end": first["current_period_end"],
            },
            "pricing": pricing_of(price),
            "proration": False,
            "quantity": quantity,
            "test_clock": subscription["test_clock"],
        },
    )
    emit(work, "invoiceitem.created", item)


def trial_end(params: Any, prices: list[Price], now: int) -> int | None:
    """When a trial that the request asks for ends, if it asks for one."""
    end, days = params.get("trial_end"), params.get("trial_period_days")
    if params.get("trial_from_plan") and days is None:
        days = max((recurring_of(p)["trial_period_days"] or 0 for p in prices), default=0)
    if end == "now" or (end is None and not days):
        return None
    if end is None:
        end = now + int(days) * 86400
    check_trial_end(end, now)
    return int(end)


def check_trial_end(end: int, now: int) -> None:
    """Refuse a trial that ends in the past or too far ahead.

    Raises:
        InvalidRequest: As Stripe does; a trial may last two years.
    """
    if end <= now:
        raise InvalidRequest(
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
            param="trial_end",
        )
    if end > periods.add(now, "year", 2):
        raise InvalidRequest(
            "Invalid timestamp: can be no more than two years in the future.", param="trial_end"
        )


def cancel_at(work: Work, subscription: Subscription, params: Any) -> None:
    """Schedule the cancellation of a subscription, or withdraw it."""
    now = subscriptions.now(work, subscription)
    end = min(item["current_period_end"] for item in subscription["items"]["data"])
    if "cancel_at_period_end" in params:
        wanted = params["cancel_at_period_end"]
        subscription |= {
            "cancel_at_period_end": wanted,
            "cancel_at": end if wanted else None,
            "canceled_at": now if wanted else None,
        }
        reason = "cancellation_requested" if wanted else None
        subscription["cancellation_details"]["reason"] = reason
        work.unschedule(subscription, "subscription.cancel")
    if "cancel_at" in params:
        _cancel_at(work, subscription, params["cancel_at"], now, end)


def _cancel_at(work: Work, subscription: Subscription, at: Any, now: int, end: int) -> None:
    if isinstance(at, str) and at:
        ends = [item["current_period_end"] for item in subscription["items"]["data"]]
        at = min(ends) if at == "min_period_end" else max(ends)
    # In flexible mode the flag is set by its own parameter alone.
    with_period = at == end and subscription["billing_mode"]["type"] == "classic"
    if at != "" and at <= now:
        raise InvalidRequest("`cancel_at` must be in the future.", param="cancel_at")
    subscription |= {
        "cancel_at": at or None,
        "cancel_at_period_end": with_period,
        "canceled_at": now if at else None,
    }
    subscription["cancellation_details"]["reason"] = "cancellation_requested" if at else None
    if at and not with_period:
        clock = subscription["test_clock"]
        work.schedule(subscription, "subscription.cancel", at, clock=clock)
    else:
        work.unschedule(subscription, "subscription.cancel")


def billing_mode(wanted: Json, now: int) -> Json:
    """Flexible unless a request asks for the classic mode.

    Raises:
        NotCovered: Prorations are to list their discounts.
    """
    kind = wanted.get("type", "flexible")
    flexible = {"proration_discounts": "included", **(wanted.get("flexible") or {})}
    if flexible["proration_discounts"] != "included":
        path = "billing_mode[flexible][proration_discounts]"
        raise NotCovered("prorations with itemized discounts", param=path)
    return {
        "type": kind,
        "flexible": flexible if kind == "flexible" else None,
        "updated_at": now,
    }

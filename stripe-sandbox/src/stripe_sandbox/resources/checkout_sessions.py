"""Checkout sessions: created by the API, completed on the hosted page."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import list_object, page, slice_page
from stripe_sandbox.api.registry import Call, handles, includes, retrieves
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.catalogue import Price
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.sessions import CheckoutSession
from stripe_sandbox.objects.state import CheckoutSessionState
from stripe_sandbox.resources.checkout_purchases import reprice
from stripe_sandbox.resources.subscription_terms import inline_price, recurring_price
from stripe_sandbox.rules import checkout, invoice_lines, setups, taxes
from stripe_sandbox.sdk import response_shapes
from stripe_sandbox.storage.kinds import CHECKOUT_SESSION, CUSTOMER, PRICE, PRODUCT
from stripe_sandbox.storage.store import Work

_LIVES_FOR = 24 * 3600
# Source: https://docs.stripe.com/api/checkout/sessions/create, `adjustable_quantity`.
_MOST = 999999
_SUBSCRIPTION_DATA = (
    "billing_cycle_anchor",
    "billing_mode",
    "default_tax_rates",
    "description",
    "metadata",
    "proration_behavior",
    "trial_end",
    "trial_period_days",
    "trial_settings",
)
# What has an effect in one mode alone.
_ONE_MODE = {"payment_intent_data": "payment", "subscription_data": "subscription"}
_INTENT_FIELDS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
)


@handles("checkout.sessions.create")
def create(call: Call) -> Thing:
    """A session with the address of its page."""
    work, params = call.work, call.params
    mode = params.get("mode", "payment")
    _check(work, params, mode)
    rates: dict[str, list[str]] = {}
    items = _items(work, params.get("line_items") or [], mode, rates)
    creates_invoice = params.get("invoice_creation") or {}
    state = CheckoutSessionState(
        items=items,
        subscription_data=changes.plain(params.get("subscription_data") or {}),
        discounts=changes.plain(params.get("discounts") or []),
        payment_intent_data=_intent_values(params.get("payment_intent_data") or {}),
        tax_rates=rates,
        saves_address=(params.get("customer_update") or {}).get("address") == "auto",
        invoice_data=changes.only(
            creates_invoice.get("invoice_data") or {},
            "description",
            "footer",
            "metadata",
            path="invoice_creation[invoice_data]",
        ),
    )
    identifier, now = work.ids.new("cs_live_" if work.live else "cs_test_"), work.now()
    ui_mode = params.get("ui_mode", "hosted_page")
    hosted = ui_mode == "hosted_page"
    customer = work.find(CUSTOMER, params.get("customer"))
    session = work.create(
        CHECKOUT_SESSION,
        {
            "id": identifier,
            "adaptive_pricing": {"enabled": mode != "setup"},
            "automatic_tax": _automatic_tax(params),
            "collected_information": {},
            "created": now,
            "client_secret": None if hosted else f"{identifier}_secret_{work.ids.text(40)}",
            "currency": _currency(params.get("currency"), items),
            "custom_fields": [],
            "customer_creation": _customer_creation(params, mode),
            "customer_details": checkout.details(work, customer, params.get("customer_email"))
            if customer or params.get("customer_email")
            else None,
            "expires_at": params.get("expires_at", now + _LIVES_FOR),
            "invoice_creation": {
                "enabled": creates_invoice.get("enabled", False),
                "invoice_data": {"metadata": state.invoice_data.get("metadata") or {}},
            }
            if mode == "payment"
            else None,
            "metadata": changes.metadata({}, params),
            "mode": mode,
            "payment_method_collection": params.get(
                "payment_method_collection", "if_required" if mode == "payment" else "always"
            ),
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "payment_status": "no_payment_required",
            "saved_payment_method_options": {
                "allow_redisplay_filters": ["always"],
                "payment_method_remove": "disabled",
            }
            if mode == "subscription"
            else None,
            "phone_number_collection": {"enabled": False},
            "shipping_options": [],
            "status": "open",
            "ui_mode": ui_mode,
            "url": f"{work.public_url}/hosted/checkout/{identifier}" if hosted else None,
            **_plain(params),
        },
    )
    if mode == "setup":
        intent = setups.new_intent(work, {"customer": customer["id"] if customer else None})
        session["setup_intent"] = intent["id"]
        if session["customer_details"]:
            session["customer_details"]["tax_exempt"] = None
    work.set_state(session, state)
    work.schedule(session, "checkout.expire", session["expires_at"], clock=None)
    return reprice(work, work.save(session))


def _automatic_tax(params: Any) -> Json:
    if not taxes.wanted(params):
        return {"enabled": False}
    return {"enabled": True, "liability": {"type": "self"}, "provider": "stripe"}


def _customer_creation(params: Any, mode: str) -> str | None:
    if params.get("customer"):
        return None
    default = "if_required" if mode == "payment" else "always"
    return str(params.get("customer_creation") or default)


def _currency(named: str | None, items: list[Json]) -> str | None:
    wanted = {item["currency"] for item in items} | ({named.lower()} if named else set())
    if len(wanted) > 1:
        raise InvalidRequest("All line items must use the same currency.", param="currency")
    return wanted.pop() if wanted else None


def _intent_values(data: Json) -> Json:
    """The fields of the session's payment intent that `payment_intent_data` sets."""
    unknown = [name for name in data if name not in (*_INTENT_FIELDS, "metadata")]
    if unknown:
        path = f"payment_intent_data[{unknown[0]}]"
        raise NotCovered(f"the parameter `{path}` of checkout.sessions.create", param=path)
    given: Json = changes.plain(changes.given(data, *_INTENT_FIELDS))
    return given | {"metadata": changes.metadata({}, data)}


def _plain(params: Any) -> Json:
    return changes.given(
        params,
        "allow_promotion_codes",
        "billing_address_collection",
        "cancel_url",
        "client_reference_id",
        "customer",
        "customer_email",
        "locale",
        "return_url",
        "submit_type",
        "success_url",
    )


def _check(work: Work, params: Any, mode: str) -> None:
    hosted = params.get("ui_mode", "hosted_page") == "hosted_page"
    if hosted and not params.get("success_url"):
        raise InvalidRequest(
            "Missing required param: success_url.", code="parameter_missing", param="success_url"
        )
    if mode != "setup" and not params.get("line_items"):
        raise InvalidRequest(
            "Missing required param: line_items.", code="parameter_missing", param="line_items"
        )
    if params.get("customer"):
        work.referenced(CUSTOMER, params["customer"], param="customer")
    _check_expiry(work, params)
    _check_covered(params, mode)
    _check_location(work, params)
    wanted = params.get("subscription_data") or {}
    changes.only(wanted, *_SUBSCRIPTION_DATA, path="subscription_data")
    if mode == "setup" and not params.get("currency") and not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: currency.", code="parameter_missing", param="currency"
        )


def _check_covered(params: Any, mode: str) -> None:
    """Refuse parameters that the page would ignore, or that do not go together."""
    if params.get("discounts") and params.get("allow_promotion_codes"):
        raise InvalidRequest(
            "You may only specify one of these parameters: allow_promotion_codes, discounts."
        )
    if params.get("payment_method_collection") and mode != "subscription":
        raise InvalidRequest(
            "You can only set `payment_method_collection` in `subscription` mode.",
            param="payment_method_collection",
        )
    if params.get("invoice_creation") and mode != "payment":
        raise InvalidRequest(
            "You can only set `invoice_creation` in `payment` mode.", param="invoice_creation"
        )
    for name, only_in in _ONE_MODE.items():
        if params.get(name) and mode != only_in:
            raise InvalidRequest(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if params.get("discounts") and mode == "setup":
        raise InvalidRequest("You can not pass `discounts` in `setup` mode.", param="discounts")
    changes.only(params.get("customer_update") or {}, "address", path="customer_update")
    if params.get("customer_update") and not params.get("customer"):
        raise InvalidRequest(
            "`customer_update` can only be used with `customer`.", param="customer_update"
        )


def _check_location(work: Work, params: Any) -> None:
    """Refuse automatic tax for a customer whose address could be neither used nor saved."""
    customer = work.find(CUSTOMER, params.get("customer"))
    saved = (params.get("customer_update") or {}).get("address") == "auto"
    if taxes.wanted(params) and customer and not saved and not taxes.location_of(customer):
        raise InvalidRequest(
            "Automatic tax calculation in Checkout requires a valid address on the Customer. Add "
            "a valid address to the Customer or set either `customer_update[address]` to 'auto' "
            "or `customer_update[shipping]` to 'auto' to save the address entered in Checkout to "
            "the Customer.",
            code="customer_tax_location_invalid",
        )


def _check_expiry(work: Work, params: Any) -> None:
    now, at = work.now(), params.get("expires_at")
    if at is not None and not now + 1800 <= at <= now + _LIVES_FOR:
        raise InvalidRequest(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
            "Session creation.",
            param="expires_at",
        )


def _items(work: Work, wanted: list[Json], mode: str, rates: dict[str, list[str]]) -> list[Json]:
    """The line items; their tax rates are entered into `rates`."""
    made = []
    for index, one in enumerate(wanted):
        path = f"line_items[{index}]"
        item = _item(work, one, path, mode)
        param = f"{path}[tax_rates]"
        rates[item["id"]] = taxes.chosen(work, one.get("tax_rates"), param=param)
        made.append(item)
    return made


def _item(work: Work, wanted: Json, path: str, mode: str) -> Json:
    names = ("adjustable_quantity", "metadata", "price", "price_data", "quantity", "tax_rates")
    changes.only(wanted, *names, path=path)
    described = {name: value for name, value in wanted.items() if name != "adjustable_quantity"}
    price = recurring_price(work, described, path) if mode == "subscription" else None
    price = price or _one_time_price(work, wanted, path)
    product = work.find(PRODUCT, price["product"])
    quantity = wanted.get("quantity", 1)
    # Refused here, where the path of the item is known.
    invoice_lines.amount_of(price, quantity)
    return response_shapes.new(
        "item",
        {
            "id": work.ids.new("li_"),
            "adjustable_quantity": _adjustable(wanted.get("adjustable_quantity"), quantity, path),
            "amount_discount": 0,
            "amount_subtotal": 0,
            "amount_tax": 0,
            "amount_total": 0,
            "currency": price["currency"],
            "description": product["name"] if product else None,
            "discounts": [],
            "metadata": wanted.get("metadata") or {},
            "price": price["id"],
            "quantity": quantity,
            "taxes": [],
        },
    )


def _adjustable(wanted: Json | None, quantity: int, path: str) -> Json | None:
    if not wanted or not wanted["enabled"]:
        return None
    bounds = {"enabled": True, "minimum": 0, "maximum": 99, **wanted}
    if not 0 <= bounds["minimum"] <= quantity <= bounds["maximum"] <= _MOST:
        raise InvalidRequest(
            "The quantity must be between the minimum and the maximum of `adjustable_quantity`.",
            param=f"{path}[adjustable_quantity]",
        )
    return bounds


def _one_time_price(work: Work, wanted: Json, path: str) -> Price:
    if wanted.get("price_data"):
        price = inline_price(work, wanted["price_data"], path)
    else:
        price = work.referenced(PRICE, wanted.get("price", ""), param=f"{path}[price]")
    if price["recurring"]:
        raise InvalidRequest(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            param=f"{path}[price]",
        )
    return price


def _shown_items(work: Work, session: CheckoutSession) -> list[Json]:
    return [
        {**item, "price": present(work, work.get(PRICE, item["price"]))}
        for item in work.state(session, CheckoutSessionState).items
    ]


@includes("checkout.session", "line_items")
def line_items(work: Work, session: CheckoutSession) -> Json:
    """The line items, shown when a caller expands them."""
    stored = work.get(CHECKOUT_SESSION, session["id"])
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return list_object(_shown_items(work, stored), url=url)


@handles("checkout.sessions.line_items.list")
def list_items(call: Call) -> Thing:
    """The line items of a session."""
    session = call.work.get(CHECKOUT_SESSION, call.id)
    return slice_page(call, _shown_items(call.work, session), "line item")


retrieves("checkout.sessions.retrieve", CHECKOUT_SESSION)


@handles("checkout.sessions.update")
def update(call: Call) -> Thing:
    """Change a session's metadata."""
    session = call.work.get(CHECKOUT_SESSION, call.id)
    changes.apply(session, call.params)
    return call.work.save(session)


@handles("checkout.sessions.expire")
def expire(call: Call) -> Thing:
    """Close an open session."""
    session = call.work.get(CHECKOUT_SESSION, call.id)
    if session["status"] != "open":
        raise InvalidRequest(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
    checkout.expire(call.work, session)
    return session


@handles("checkout.sessions.list")
def list_sessions(call: Call) -> Thing:
    """Sessions, newest first."""
    names = ("customer", "subscription", "payment_intent", "status")
    return page(call, CHECKOUT_SESSION, {name: call.params.get(name) for name in names})

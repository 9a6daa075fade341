"""The customer portal: subscriptions, card, details and invoices, as its configuration allows."""

from typing import Any

from starlette.responses import Response

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.sessions import PortalSession
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.pages.api import perform
from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.sections import default_card, name_of, period_end, plan_of, product_of
from stripe_sandbox.pages.show import price_of
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.rules import periods as periods_of
from stripe_sandbox.rules.invoice_lines import amount_of, recurring_of
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    INVOICE,
    PORTAL_CONFIGURATION,
    PORTAL_SESSION,
    PRICE,
    PRODUCT,
    SUBSCRIPTION,
)

_GONE = {"canceled", "incomplete_expired"}
_DETAILS = ("name", "email", "phone")
_REASONS = {
    "customer_service": "Customer service was less than expected",
    "low_quality": "Quality was less than expected",
    "missing_features": "I need more features",
    "other": "Other reason",
    "switched_service": "I found an alternative",
    "too_complex": "Ease of use was less than expected",
    "too_expensive": "It is too expensive",
    "unused": "I do not use it enough",
}


def show(visit: Visit) -> Response:
    """What the session's customer has and can do; a flow shows its task alone."""
    work, session = visit.work, visit.work.get(PORTAL_SESSION, visit.id)
    customer = work.get(CUSTOMER, session["customer"])
    features = _features(visit, session)
    flow = session["flow"] or {}
    about = _about(flow)
    only = flow.get("type")
    listed = [
        _subscription(visit, one, features)
        for one in work.newest(SUBSCRIPTION, {"customer": customer["id"]})
        if one["status"] not in _GONE and about in {None, one["id"]}
    ]
    return visit.show(
        "hosted/portal.html",
        session=session,
        only=only,
        features=features,
        name=name_of(work, customer["id"]),
        customer=customer,
        details=[one for one in _DETAILS if one in features["customer_update"]["allowed_updates"]],
        subscriptions=listed if only != "payment_method_update" else [],
        confirmed=_confirmed(visit, flow),
        reasons=[
            (reason, _REASONS[reason])
            for reason in features["subscription_cancel"]["cancellation_reason"]["options"]
        ],
        card=default_card(work, customer),
        invoices=work.newest(INVOICE, {"customer": customer["id"]}, limit=12),
        message=(flow.get("after_completion") or {}).get("hosted_confirmation") or {},
        choices=cards.choices(),
    )


def _features(visit: Visit, session: PortalSession) -> Json:
    return visit.work.get(PORTAL_CONFIGURATION, session["configuration"])["features"]


def _about(flow: Json) -> str | None:
    """The subscription that a flow is about."""
    details = flow.get(flow.get("type") or "") or {}
    found: str | None = details.get("subscription")
    return found


def _subscription(visit: Visit, stored: Subscription, features: Json) -> Json:
    subscription = present(visit.work, stored)
    return {
        "id": subscription["id"],
        "status": subscription["status"],
        "product": product_of(visit.work, subscription),
        "plan": plan_of(subscription),
        "ends": subscription["cancel_at_period_end"] or subscription["cancel_at"],
        "until": subscription["cancel_at"] or period_end(subscription),
        "quantity": stored["items"]["data"][0]["quantity"],
        "plans": _plans(visit, stored, features["subscription_update"]),
    }


def _plans(visit: Visit, subscription: Subscription, update: Json) -> list[tuple[str, str, bool]]:
    """The prices a subscription can change to: id, words, and whether it is the present one.

    As at Stripe, a subscription to several products cannot be changed here.
    """
    items = subscription["items"]["data"]
    if not update["enabled"] or len(items) != 1:
        return []
    plans = []
    for offered in update["products"] or []:
        product = visit.work.get(PRODUCT, offered["product"])
        for identifier in offered["prices"]:
            price = visit.work.get(PRICE, identifier)
            if price["currency"] == subscription["currency"]:
                words = f"{product['name']}, {price_of(price)}"
                plans.append((identifier, words, identifier == items[0]["price"]))
    return plans if "price" in update["default_allowed_updates"] else []


def _confirmed(visit: Visit, flow: Json) -> list[str]:
    """What a flow asks to confirm, in words."""
    details = flow.get("subscription_update_confirm")
    found = []
    for item in (details or {}).get("items", []):
        price = visit.work.find(PRICE, item.get("price"))
        product = visit.work.find(PRODUCT, price["product"]) if price else None
        words = f"{product['name']}, {price_of(price)}" if price and product else "The same plan"
        quantity = f", quantity {item['quantity']}" if item.get("quantity") else ""
        found.append(f"{words}{quantity}")
    return found


def cancel(visit: Visit) -> Response:
    """Cancel a subscription, now or at the end of its period, as the configuration says.

    At the end: in flexible mode at that of its last period, in classic mode by the flag.
    """
    subscription, features = _own(visit, "subscription_cancel")
    feature, identifier = features["subscription_cancel"], subscription["id"]
    details: Json = {}
    if visit.form.get("reason") in feature["cancellation_reason"]["options"]:
        details = {"cancellation_details": {"feedback": visit.form["reason"]}}
    if feature["mode"] == "immediately":
        prorated = str(feature["proration_behavior"] != "none").lower()
        at_once = str(feature["proration_behavior"] == "always_invoice").lower()
        perform(
            visit,
            "subscriptions.cancel",
            identifier,
            prorate=prorated,
            invoice_now=at_once,
            **details,
        )
    elif subscription["billing_mode"]["type"] == "flexible":
        perform(visit, "subscriptions.update", identifier, cancel_at="max_period_end", **details)
    else:
        perform(visit, "subscriptions.update", identifier, cancel_at_period_end="true", **details)
    return _done(visit, "canceled" if feature["mode"] == "immediately" else "will_cancel")


def keep(visit: Visit) -> Response:
    """Withdraw the cancellation of a subscription."""
    subscription, _features_of = _own(visit, "subscription_cancel")
    if subscription["cancel_at_period_end"]:
        perform(visit, "subscriptions.update", subscription["id"], cancel_at_period_end="false")
    else:
        perform(visit, "subscriptions.update", subscription["id"], cancel_at="")
    return visit.back(f"/hosted/portal/{visit.id}", note="kept")


def change_plan(visit: Visit) -> Response:
    """Change the price or the quantity of a subscription to one that the page offers."""
    subscription, features = _own(visit, "subscription_update")
    update, item = features["subscription_update"], subscription["items"]["data"][0]
    wanted: Json = {"id": item["id"], "quantity": str(item["quantity"])}
    if "price" in update["default_allowed_updates"] and visit.form.get("price"):
        offered = {identifier for identifier, _, _ in _plans(visit, subscription, update)}
        if visit.form["price"] not in offered:
            raise InvalidRequest("This plan is not offered here.", param="price")
        wanted["price"] = visit.form["price"]
    if "quantity" in update["default_allowed_updates"] and visit.form.get("quantity"):
        wanted["quantity"] = visit.form["quantity"]
    discounts: Json = {}
    if "promotion_code" in update["default_allowed_updates"] and visit.form.get("code"):
        discounts = {"discounts": {"0": {"promotion_code": _code(visit)}}}
    _update(visit, subscription, update, {"items": {"0": wanted}, **discounts})
    return _done(visit, "plan_changed")


def confirm(visit: Visit) -> Response:
    """Make the change that the session's flow describes."""
    session = visit.work.get(PORTAL_SESSION, visit.id)
    details = (session["flow"] or {}).get("subscription_update_confirm")
    if not details:
        raise InvalidRequest("This session has nothing to confirm.")
    subscription = visit.work.get(SUBSCRIPTION, details["subscription"])
    items = {
        str(index): {name: str(value) for name, value in item.items() if value is not None}
        for index, item in enumerate(details["items"])
    }
    discounts = {
        str(index): {name: value for name, value in one.items() if value}
        for index, one in enumerate(details.get("discounts") or [])
    }
    wanted = {"items": items, **({"discounts": discounts} if discounts else {})}
    update = _features(visit, session)["subscription_update"]
    _update(visit, subscription, update, wanted)
    return _done(visit, "plan_changed")


def _update(visit: Visit, subscription: Subscription, update: Json, wanted: Json) -> None:
    """Change a subscription as the configuration says, now or at the end of its period.

    A refused card changes nothing.
    """
    if _waits(visit, subscription, update, wanted):
        _schedule(visit, subscription, wanted)
        return
    terms: Json = {"proration_behavior": update["proration_behavior"]}
    if update.get("billing_cycle_anchor") == "now":
        terms["billing_cycle_anchor"] = {"type": "now"}
    if subscription["status"] == "trialing" and update["trial_update_behavior"] == "end_trial":
        terms["trial_end"] = "now"
    if subscription["status"] != "trialing":
        terms["payment_behavior"] = "error_if_incomplete"
    perform(visit, "subscriptions.update", subscription["id"], **terms, **wanted)


def _waits(visit: Visit, subscription: Subscription, update: Json, wanted: Json) -> bool:
    """Whether `schedule_at_period_end` puts a change off: a cheaper plan, a shorter interval."""
    conditions = {one["type"] for one in update["schedule_at_period_end"]["conditions"]}
    if not conditions or subscription["status"] == "trialing":
        return False
    old, new = subscription["items"]["data"][0], wanted["items"]["0"]
    before = visit.work.get(PRICE, old["price"])
    after = visit.work.get(PRICE, new.get("price", old["price"]))
    periods = [recurring_of(before), recurring_of(after)]
    lengths = [periods_of.add(0, one["interval"], one["interval_count"]) for one in periods]
    quantity = int(new.get("quantity", old["quantity"]))
    cheaper = amount_of(after, quantity) < amount_of(before, old["quantity"])
    return (lengths[0] == lengths[1] and cheaper and "decreasing_item_amount" in conditions) or (
        lengths[1] < lengths[0] and "shortening_interval" in conditions
    )


def _schedule(visit: Visit, subscription: Subscription, wanted: Json) -> None:
    """Change a subscription when its period ends, by a schedule that is released then."""
    made = perform(visit, "subscription_schedules.create", from_subscription=subscription["id"])
    present_phase, old = made["phases"][0], subscription["items"]["data"][0]
    new = wanted["items"]["0"]
    following = {
        "price": new.get("price", old["price"]),
        "quantity": str(new.get("quantity", old["quantity"])),
    }
    items = {
        str(index): {"price": item["price"], "quantity": str(item["quantity"])}
        for index, item in enumerate(present_phase["items"])
    }
    phases = {
        "0": {
            "start_date": str(present_phase["start_date"]),
            "end_date": str(present_phase["end_date"]),
            "items": items,
        },
        "1": {"items": {"0": following}, "proration_behavior": "none"},
    }
    perform(
        visit,
        "subscription_schedules.update",
        made["id"],
        end_behavior="release",
        phases=phases,
    )


def _code(visit: Visit) -> str:
    found: Any = perform(
        visit, "promotion_codes.list", code=visit.form["code"].strip(), active="true"
    )
    if not found["data"]:
        raise InvalidRequest("This code is invalid.", param="code")
    return str(found["data"][0]["id"])


def _own(visit: Visit, feature: str) -> tuple[Subscription, Json]:
    """The subscription in the form, which must be the session's own customer's."""
    session = visit.work.get(PORTAL_SESSION, visit.id)
    features = _features(visit, session)
    if not features[feature]["enabled"]:
        raise InvalidRequest("This is not offered here.")
    wanted = visit.work.get(SUBSCRIPTION, visit.form.get("subscription", ""))
    if wanted["customer"] != session["customer"]:
        raise InvalidRequest("This subscription belongs to another customer.")
    return wanted, features


def change_card(visit: Visit) -> Response:
    """Save a card and make it the default."""
    session = visit.work.get(PORTAL_SESSION, visit.id)
    if not _features(visit, session)["payment_method_update"]["enabled"]:
        raise InvalidRequest("This is not offered here.")
    method = cards.attached(visit.work, session["customer"], visit.form)
    settings = {"default_payment_method": method["id"]}
    perform(visit, "customers.update", session["customer"], invoice_settings=settings)
    return _done(visit, "card_changed")


def change_details(visit: Visit) -> Response:
    """Change what the configuration lets customers change of themselves."""
    session = visit.work.get(PORTAL_SESSION, visit.id)
    allowed = _features(visit, session)["customer_update"]["allowed_updates"]
    sent = {name: visit.form[name] for name in _DETAILS if name in allowed and name in visit.form}
    perform(visit, "customers.update", session["customer"], **sent)
    return _done(visit, "details_changed")


def _done(visit: Visit, note: str) -> Response:
    """Go on after a task: where the session's flow leads, or back to the portal."""
    session = visit.work.get(PORTAL_SESSION, visit.id)
    after = (session["flow"] or {}).get("after_completion") or {}
    if after.get("type") == "redirect":
        return visit.to(after["redirect"]["return_url"])
    if after.get("type") == "portal_homepage":
        session["flow"] = None
        visit.work.save(session)
    return visit.back(f"/hosted/portal/{visit.id}", note=note)

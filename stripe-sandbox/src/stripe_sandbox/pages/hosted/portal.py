"""The customer portal: cancel or keep a subscription, change the card, see invoices."""

from typing import Any

from starlette.responses import Response

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.pages.api import perform
from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.sections import default_card, name_of, period_end, plan_of, product_of
from stripe_sandbox.pages.site import Visit

Json = dict[str, Any]

_GONE = {"canceled", "incomplete_expired"}


def show(visit: Visit) -> Response:
    """What the customer has, and what they can do about it."""
    work, session = visit.work, visit.work.get("billing_portal.session", visit.id)
    customer = work.get("customer", session["customer"])
    return visit.show(
        "hosted/portal.html",
        session=session,
        name=name_of(work, customer["id"]),
        subscriptions=[
            _subscription(visit, one)
            for one in work.newest("subscription", {"customer": customer["id"]})
            if one["status"] not in _GONE
        ],
        card=default_card(work, customer),
        invoices=work.newest("invoice", {"customer": customer["id"]}, limit=12),
        choices=cards.choices(),
    )


def _subscription(visit: Visit, stored: Json) -> Json:
    subscription = present(visit.work, stored)
    return {
        "id": subscription["id"],
        "status": subscription["status"],
        "product": product_of(visit.work, subscription),
        "plan": plan_of(subscription),
        "ends": subscription["cancel_at_period_end"] or subscription["cancel_at"],
        "until": subscription["cancel_at"] or period_end(subscription),
    }


def cancel(visit: Visit) -> Response:
    """End a subscription with the period that is paid for."""
    _change(visit, cancel_at_period_end="true")
    return visit.back(f"/hosted/portal/{visit.id}", note="will_cancel")


def keep(visit: Visit) -> Response:
    """Let a subscription go on after all."""
    _change(visit, cancel_at_period_end="false")
    return visit.back(f"/hosted/portal/{visit.id}", note="kept")


def _change(visit: Visit, **sent: str) -> None:
    """Only the session's own customer is served by it."""
    session = visit.work.get("billing_portal.session", visit.id)
    wanted = visit.work.get("subscription", visit.form.get("subscription", ""))
    if wanted["customer"] != session["customer"]:
        raise InvalidRequest("This subscription belongs to another customer.")
    perform(visit, "subscriptions.update", wanted["id"], **sent)


def change_card(visit: Visit) -> Response:
    """Save a card and charge it from now on."""
    customer = visit.work.get("billing_portal.session", visit.id)["customer"]
    method = cards.attached(visit.work, customer, visit.form)
    settings = {"default_payment_method": method["id"]}
    perform(visit, "customers.update", customer, invoice_settings=settings)
    return visit.back(f"/hosted/portal/{visit.id}", note="card_changed")

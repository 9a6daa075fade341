"""The customer portal: cancel or keep a subscription, change the card, see invoices."""

from starlette.responses import Response

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.pages.api import perform
from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.sections import default_card, name_of, period_end, plan_of, product_of
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.storage.kinds import CUSTOMER, INVOICE, PORTAL_SESSION, SUBSCRIPTION

_GONE = {"canceled", "incomplete_expired"}


def show(visit: Visit) -> Response:
    """The customer's subscriptions, card and invoices."""
    work, session = visit.work, visit.work.get(PORTAL_SESSION, visit.id)
    customer = work.get(CUSTOMER, session["customer"])
    return visit.show(
        "hosted/portal.html",
        session=session,
        name=name_of(work, customer["id"]),
        subscriptions=[
            _subscription(visit, one)
            for one in work.newest(SUBSCRIPTION, {"customer": customer["id"]})
            if one["status"] not in _GONE
        ],
        card=default_card(work, customer),
        invoices=work.newest(INVOICE, {"customer": customer["id"]}, limit=12),
        choices=cards.choices(),
    )


def _subscription(visit: Visit, stored: Subscription) -> Json:
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
    """Cancel a subscription at the end of its period; in flexible mode, of its last period."""
    subscription = _own_subscription(visit)
    if subscription["billing_mode"]["type"] == "flexible":
        perform(visit, "subscriptions.update", subscription["id"], cancel_at="max_period_end")
    else:
        perform(visit, "subscriptions.update", subscription["id"], cancel_at_period_end="true")
    return visit.back(f"/hosted/portal/{visit.id}", note="will_cancel")


def keep(visit: Visit) -> Response:
    """Withdraw the cancellation of a subscription."""
    subscription = _own_subscription(visit)
    if subscription["cancel_at_period_end"]:
        perform(visit, "subscriptions.update", subscription["id"], cancel_at_period_end="false")
    else:
        perform(visit, "subscriptions.update", subscription["id"], cancel_at="")
    return visit.back(f"/hosted/portal/{visit.id}", note="kept")


def _own_subscription(visit: Visit) -> Subscription:
    """The subscription in the form, which must be the session's own customer's."""
    session = visit.work.get(PORTAL_SESSION, visit.id)
    wanted = visit.work.get(SUBSCRIPTION, visit.form.get("subscription", ""))
    if wanted["customer"] != session["customer"]:
        raise InvalidRequest("This subscription belongs to another customer.")
    return wanted


def change_card(visit: Visit) -> Response:
    """Save a card and make it the default."""
    customer = visit.work.get(PORTAL_SESSION, visit.id)["customer"]
    method = cards.attached(visit.work, customer, visit.form)
    settings = {"default_payment_method": method["id"]}
    perform(visit, "customers.update", customer, invoice_settings=settings)
    return visit.back(f"/hosted/portal/{visit.id}", note="card_changed")

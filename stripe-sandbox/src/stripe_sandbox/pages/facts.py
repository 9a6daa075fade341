"""The few things people look for first on an object's page."""

from collections.abc import Callable

from markupsafe import Markup, escape

from stripe_sandbox.api.rendering import present
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.pages.sections import default_card, name_of, period_end, plan_of, title_of
from stripe_sandbox.pages.show import (
    NOTHING,
    badge,
    card_of,
    day,
    linked,
    money,
    when,
)
from stripe_sandbox.storage.store import Work

Facts = list[tuple[str, str | Markup]]


def facts_of(work: Work, thing: Thing) -> Facts:
    """Labels and values; what is empty is left out."""
    known = _FACTS.get(thing["object"])
    found = known(work, thing) if known else []
    return [(label, value) for label, value in found if value and value != NOTHING]


def _customer_link(work: Work, thing: Thing) -> Markup:
    if not thing.get("customer"):
        return escape(NOTHING)
    template = Markup('<a href="/customers/{}">{}</a>')
    return template.format(thing["customer"], name_of(work, thing["customer"]))


def _named_link(work: Work, identifier: str | None) -> Markup:
    """A link to an object, by its name if it has one."""
    found = work.find_any(identifier) if identifier else None
    if found is None or found.get("deleted"):
        return linked(identifier or "")
    link = Markup('<a href="/objects/{}">{}</a>')
    return link.format(identifier, title_of(work, present(work, found)))


def _customer(work: Work, customer: Thing) -> Facts:
    return [
        ("Email", customer["email"] or ""),
        ("Card", card_of(default_card(work, customer))),
        ("Balance", money(customer["balance"], customer["currency"])),
        ("Test clock", linked(customer["test_clock"] or "")),
        ("Created", when(customer["created"])),
    ]


def _subscription(work: Work, subscription: Thing) -> Facts:
    ends = subscription["cancel_at"]
    return [
        ("Customer", _customer_link(work, subscription)),
        ("Price", plan_of(subscription)),
        ("Paid until", day(period_end(subscription))),
        ("Trial ends", day(subscription["trial_end"])),
        ("Cancels", day(ends)),
        ("Ended", when(subscription["ended_at"])),
        ("Latest invoice", _named_link(work, subscription["latest_invoice"])),
        ("Started", when(subscription["start_date"])),
    ]


def _invoice(work: Work, invoice: Thing) -> Facts:
    page = invoice["hosted_invoice_url"]
    link = Markup('<a href="/hosted/invoice/{}">Open the hosted page</a>').format(invoice["id"])
    return [
        ("Customer", _customer_link(work, invoice)),
        ("Total", money(invoice["total"], invoice["currency"])),
        ("Still due", money(invoice["amount_remaining"], invoice["currency"])),
        ("Reason", (invoice["billing_reason"] or "").replace("_", " ").capitalize()),
        ("Next attempt", when(invoice["next_payment_attempt"])),
        ("Customer's page", link if page else Markup("")),
        ("Created", when(invoice["created"])),
    ]


def _payment(work: Work, intent: Thing) -> Facts:
    error = intent["last_payment_error"] or {}
    return [
        ("Customer", _customer_link(work, intent)),
        ("Card", card_of(work.find_any(intent["payment_method"]))),
        ("Received", money(intent["amount_received"], intent["currency"])),
        ("Last error", error.get("message", "")),
        ("Created", when(intent["created"])),
    ]


def _setup(work: Work, intent: Thing) -> Facts:
    error = intent["last_setup_error"] or {}
    return [
        ("Customer", _customer_link(work, intent)),
        ("Card", card_of(work.find_any(intent["payment_method"]))),
        ("Last error", error.get("message", "")),
        ("Created", when(intent["created"])),
    ]


def _event(work: Work, event: Thing) -> Facts:
    about = event["data"]["object"].get("id", "")
    return [
        ("About", _named_link(work, about)),
        ("Pending deliveries", str(event["pending_webhooks"])),
        ("Caused by request", (event["request"] or {}).get("id") or "No request"),
        ("Created", when(event["created"])),
    ]


def _clock(work: Work, clock: Thing) -> Facts:
    return [
        ("Its time", when(work.now(clock["id"]))),
        ("Deleted on", day(clock["deletes_after"])),
        ("Created", when(clock["created"])),
    ]


def _endpoint(_: Work, endpoint: Thing) -> Facts:
    return [
        ("Events", ", ".join(endpoint["enabled_events"])),
        ("Status", badge(endpoint["status"])),
        ("Created", when(endpoint["created"])),
    ]


_FACTS: dict[str, Callable[[Work, Thing], Facts]] = {
    "customer": _customer,
    "event": _event,
    "invoice": _invoice,
    "payment_intent": _payment,
    "setup_intent": _setup,
    "subscription": _subscription,
    "test_helpers.test_clock": _clock,
    "webhook_endpoint": _endpoint,
}

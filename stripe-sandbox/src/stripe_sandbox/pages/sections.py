"""The dashboard's lists: which objects, which columns, which filters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.pages.show import (
    NOTHING,
    badge,
    breakable,
    card_of,
    day,
    moment,
    money,
    price_of,
    when,
)
from stripe_sandbox.storage.kinds import PRICE
from stripe_sandbox.storage.store import Work

Cell = Callable[[Work, Any], str | Markup]


@dataclass(frozen=True)
class Column:
    """One column; `wide` ones are left out on a phone."""

    heading: str
    cell: Cell
    wide: bool = False
    number: bool = False


@dataclass(frozen=True)
class Section:
    """One list of the dashboard and the pages of its objects.

    Attributes:
        slug: Its path, such as `customers`.
        title: Its heading.
        kind: The `object` name of what it lists.
        columns: What it shows of each.
        statuses: Values of `status` offered as filters.
        hint: What to do to see something here.
    """

    slug: str
    title: str
    kind: str
    columns: tuple[Column, ...]
    statuses: tuple[str, ...] = ()
    hint: str = ""


def name_of(work: Work, identifier: str | None) -> str:
    """How people call a customer."""
    customer = work.find_any(identifier) if identifier else None
    if customer is None or customer.get("deleted"):
        return identifier or NOTHING
    return str(customer["name"] or customer["email"] or customer["description"] or identifier)


def default_card(work: Work, customer: Thing) -> Json | None:
    """The card that a customer's invoices are charged to."""
    identifier = customer["invoice_settings"]["default_payment_method"]
    return work.find_any(identifier) if identifier else None


def plan_of(subscription: Thing) -> str:
    """What a subscription is for: the first price, and how many more there are."""
    items = subscription["items"]["data"]
    more = f" + {len(items) - 1}" if len(items) > 1 else ""
    return price_of(items[0]["price"]) + more if items else NOTHING


def product_of(work: Work, subscription: Thing) -> str:
    """The name of the first product subscribed to."""
    items = subscription["items"]["data"]
    product = work.find_any(items[0]["price"]["product"]) if items else None
    return str(product["name"]) if product and not product.get("deleted") else NOTHING


def period_end(subscription: Thing) -> int | None:
    """When what is paid for ends."""
    items = subscription["items"]["data"]
    return int(items[0]["current_period_end"]) if items else None


def title_of(work: Work, thing: Thing) -> str | Markup:
    """An object's name."""
    titled = _TITLES.get(thing["object"])
    return titled(work, thing) if titled else str(thing["id"])


_TITLES: dict[str, Callable[[Work, Thing], str | Markup]] = {
    "customer": lambda w, t: name_of(w, t["id"]),
    "event": lambda _, t: breakable(t["type"]),
    "invoice": lambda _, t: f"Invoice {t['number'] or '(draft)'}",
    "payment_intent": lambda _, t: money(t["amount"], t["currency"]),
    "charge": lambda _, t: money(t["amount"], t["currency"]),
    "refund": lambda _, t: money(t["amount"], t["currency"]),
    "payment_method": lambda _, t: card_of(t),
    "price": lambda _, t: price_of(t),
    "product": lambda _, t: str(t["name"]),
    "subscription": lambda w, t: f"{name_of(w, t['customer'])} on {product_of(w, t)}",
    "test_helpers.test_clock": lambda _, t: str(t["name"] or "Test clock"),
    "webhook_endpoint": lambda _, t: breakable(t["url"]),
}


def _two(first: str | Markup, second: str | Markup) -> Markup:
    return Markup('<strong>{}</strong><span class="sub">{}</span>').format(first, second)


def _customer(work: Work, customer: Thing) -> Markup:
    return _two(name_of(work, customer["id"]), customer["email"] or customer["id"])


def _subscriber(work: Work, subscription: Thing) -> Markup:
    return _two(name_of(work, subscription["customer"]), product_of(work, subscription))


def _subscription_status(_: Work, subscription: Thing) -> Markup:
    ends = subscription["cancel_at"] and subscription["status"] != "canceled"
    leaves = Markup(' <span class="badge calm">Cancels</span>') if ends else Markup("")
    return badge(subscription["status"]) + leaves


def _invoice(work: Work, invoice: Thing) -> Markup:
    return _two(invoice["number"] or "Draft", name_of(work, invoice["customer"]))


def _payment(work: Work, intent: Thing) -> Markup:
    what = intent["description"] or name_of(work, intent["customer"])
    return _two(money(intent["amount"], intent["currency"]), what)


def _card(work: Work, intent: Thing) -> str:
    return card_of(work.find_any(intent["payment_method"]))


def _prices(work: Work, product: Thing) -> str:
    prices = work.newest(PRICE, {"product": product["id"]}, limit=4)
    return ", ".join(price_of(price) for price in prices) or NOTHING


def _event(work: Work, event: Thing) -> Markup:
    about = event["data"]["object"]
    title = title_of(work, about) if "id" in about else about["object"]
    return _two(breakable(event["type"]), title)


def _pending(_: Work, event: Thing) -> Markup:
    if event["pending_webhooks"]:
        return Markup('<span class="badge wait">{} pending</span>').format(
            event["pending_webhooks"]
        )
    return badge("delivered")


def _clock_time(work: Work, clock: Thing) -> Markup:
    return when(work.now(clock["id"]))


def _created(_: Work, thing: Thing) -> Markup:
    return when(thing["created"])


def _status(_: Work, thing: Thing) -> Markup:
    return badge(thing["status"])


_CREATED = Column("Created", _created, wide=True)
_STATUS = Column("Status", _status)

SECTIONS: tuple[Section, ...] = (
    Section(
        "customers",
        "Customers",
        "customer",
        (
            Column("Customer", _customer),
            Column("Card", lambda w, c: card_of(default_card(w, c))),
            Column("Balance", lambda _, c: money(c["balance"], c["currency"]), True, True),
            _CREATED,
        ),
        hint="Create one with POST /v1/customers.",
    ),
    Section(
        "subscriptions",
        "Subscriptions",
        "subscription",
        (
            Column("Customer", _subscriber),
            Column("Status", _subscription_status),
            Column("Price", lambda _, s: plan_of(s), wide=True),
            Column("Paid until", lambda _, s: day(period_end(s)), wide=True),
            _CREATED,
        ),
        ("active", "trialing", "incomplete", "past_due", "paused", "canceled"),
        hint="Create one with POST /v1/subscriptions.",
    ),
    Section(
        "invoices",
        "Invoices",
        "invoice",
        (
            Column("Invoice", _invoice),
            _STATUS,
            Column("Total", lambda _, i: money(i["total"], i["currency"]), number=True),
            _CREATED,
        ),
        ("draft", "open", "paid", "uncollectible", "void"),
        hint="Subscriptions make them; so does POST /v1/invoices.",
    ),
    Section(
        "payments",
        "Payments",
        "payment_intent",
        (
            Column("Amount", _payment),
            _STATUS,
            Column("Card", _card, wide=True),
            _CREATED,
        ),
        hint="Paying an invoice makes one; so does POST /v1/payment_intents.",
    ),
    Section(
        "products",
        "Products",
        "product",
        (
            Column("Product", lambda _, p: _two(p["name"], p["id"])),
            Column("Prices", _prices),
            Column("Active", lambda _, p: "Yes" if p["active"] else "No", wide=True),
            _CREATED,
        ),
        hint="A seed file makes them at start; so does POST /v1/products.",
    ),
    Section(
        "events",
        "Events",
        "event",
        (
            Column("Event", _event),
            Column("Delivery", _pending),
            Column("Created", lambda _, e: moment(e["created"]), wide=True),
        ),
        hint="Every change makes one.",
    ),
    Section(
        "clocks",
        "Test clocks",
        "test_helpers.test_clock",
        (
            Column("Clock", lambda _, c: _two(c["name"] or "Unnamed clock", c["id"])),
            _STATUS,
            Column("Its time", _clock_time),
            _CREATED,
        ),
        hint="Create one with POST /v1/test_helpers/test_clocks and give it to a customer.",
    ),
)

BY_SLUG = {section.slug: section for section in SECTIONS}
BY_KIND = {section.kind: section for section in SECTIONS}


def href(thing: Thing) -> str:
    """The page of an object."""
    section = BY_KIND.get(thing["object"])
    return f"/{section.slug if section else 'objects'}/{escape(thing['id'])}"

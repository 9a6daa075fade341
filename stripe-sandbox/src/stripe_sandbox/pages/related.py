"""The objects that belong to an object, and the events about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.system import Event
from stripe_sandbox.pages.sections import BY_KIND, Column
from stripe_sandbox.pages.show import NOTHING, badge, card_of, money, price_of, when
from stripe_sandbox.storage.kinds import EVENT, INVOICE, KINDS, PRICE
from stripe_sandbox.storage.store import Work

_LIMIT = 10

# Lists of objects on the page of another one: title, kind, linked field.
_LISTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "customer": (
        ("Subscriptions", "subscription", "customer"),
        ("Invoices", "invoice", "customer"),
        ("Cards", "payment_method", "customer"),
        ("Payments", "payment_intent", "customer"),
    ),
    "subscription": (("Invoices", "invoice", "parent.subscription_details.subscription"),),
    "invoice": (("Payments", "invoice_payment", "invoice"),),
    "payment_intent": (
        ("Charges", "charge", "payment_intent"),
        ("Refunds", "refund", "payment_intent"),
    ),
    "product": (("Prices", "price", "product"),),
    "test_helpers.test_clock": (
        ("Customers", "customer", "test_clock"),
        ("Subscriptions", "subscription", "test_clock"),
    ),
}

_MONEY = Column("Amount", lambda _, t: money(t["amount"], t["currency"]), number=True)
_STATUS = Column("Status", lambda _, t: badge(t["status"]))
_ID = Column("Id", lambda _, t: str(t["id"]), wide=True)
_MADE = Column("Created", lambda _, t: when(t["created"]), wide=True)

_COLUMNS: dict[str, tuple[Column, ...]] = {
    "payment_method": (Column("Card", lambda _, m: card_of(m)), _ID, _MADE),
    "price": (Column("Price", lambda _, p: price_of(p)), _ID, _MADE),
    "charge": (_MONEY, _STATUS, _ID, _MADE),
    "refund": (_MONEY, _STATUS, _ID, _MADE),
    "invoice_payment": (
        Column("Requested", lambda _, p: money(p["amount_requested"], p["currency"])),
        _STATUS,
        Column(
            "Payment", lambda _, p: str(p["payment"].get("payment_intent") or NOTHING), wide=True
        ),
    ),
}


@dataclass(frozen=True)
class Listed:
    """A list of objects with the columns to show of them."""

    title: str
    columns: tuple[Column, ...]
    things: Sequence[Thing]


def columns_of(kind: str) -> tuple[Column, ...]:
    """What is shown of an object in a list."""
    section = BY_KIND.get(kind)
    return section.columns if section else _COLUMNS.get(kind, (_ID,))


def lists_of(work: Work, thing: Thing) -> list[Listed]:
    """The objects that belong to an object, newest first."""
    found = (
        Listed(
            title, columns_of(kind), work.newest(KINDS[kind], {field: thing["id"]}, limit=_LIMIT)
        )
        for title, kind, field in _LISTS.get(thing["object"], ())
    )
    return [listed for listed in found if listed.things]


def events_about(work: Work, thing: Thing) -> list[Event]:
    """The newest events about an object; for a customer, also about its objects."""
    about = work.newest(EVENT, {"data.object.id": _ids(work, thing)}, limit=_LIMIT)
    if thing["object"] != "customer":
        return about
    theirs = work.newest(EVENT, {"data.object.customer": thing["id"]}, limit=_LIMIT)
    both = {event["id"]: event for event in [*about, *theirs]}
    newest = sorted(both.values(), key=lambda e: work.position(e["id"]) or (0, 0), reverse=True)
    return newest[:_LIMIT]


def _ids(work: Work, thing: Thing) -> list[str]:
    ids = [str(thing["id"])]
    if thing["object"] == "subscription":
        field = "parent.subscription_details.subscription"
        ids += [invoice["id"] for invoice in work.newest(INVOICE, {field: thing["id"]}, limit=5)]
    if thing["object"] == "product":
        ids += [price["id"] for price in work.newest(PRICE, {"product": thing["id"]}, limit=5)]
    return ids

"""The event types this service reacts to, and what each of them makes it fetch again."""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any


class Fetch(Enum):
    """What may have changed; every event of a customer in one job is covered by one fetch."""

    SUBSCRIPTIONS = "the customer's subscriptions"
    CUSTOMER = "the customer, its payment methods and its subscriptions"
    SETUP = "the same, and the newest setup, whose card becomes the default"
    SETUP_FAILURE = "the event itself, which alone tells which card was refused"
    CHARGE = "a charge with its refunds and disputes, and the customer's subscriptions"
    CATALOGUE = "a product or a price"


# To react to another type, add a line.
HANDLED = MappingProxyType(
    {
        "customer.subscription.created": Fetch.CUSTOMER,
        "customer.subscription.updated": Fetch.SUBSCRIPTIONS,
        "customer.subscription.deleted": Fetch.SUBSCRIPTIONS,
        "customer.subscription.paused": Fetch.SUBSCRIPTIONS,
        "customer.subscription.resumed": Fetch.SUBSCRIPTIONS,
        "customer.subscription.pending_update_applied": Fetch.SUBSCRIPTIONS,
        "customer.subscription.pending_update_expired": Fetch.SUBSCRIPTIONS,
        "customer.subscription.trial_will_end": Fetch.SUBSCRIPTIONS,
        "customer.discount.created": Fetch.SUBSCRIPTIONS,
        "customer.discount.deleted": Fetch.SUBSCRIPTIONS,
        "customer.discount.updated": Fetch.SUBSCRIPTIONS,
        "customer.updated": Fetch.CUSTOMER,
        "customer.deleted": Fetch.CUSTOMER,
        "payment_method.attached": Fetch.CUSTOMER,
        "payment_method.automatically_updated": Fetch.CUSTOMER,
        "payment_method.detached": Fetch.CUSTOMER,
        "payment_method.updated": Fetch.CUSTOMER,
        "invoice.finalized": Fetch.SUBSCRIPTIONS,
        "invoice.marked_uncollectible": Fetch.SUBSCRIPTIONS,
        "invoice.paid": Fetch.SUBSCRIPTIONS,
        "invoice.payment_action_required": Fetch.SUBSCRIPTIONS,
        "invoice.payment_failed": Fetch.SUBSCRIPTIONS,
        "invoice.voided": Fetch.SUBSCRIPTIONS,
        "checkout.session.completed": Fetch.CUSTOMER,
        "setup_intent.setup_failed": Fetch.SETUP_FAILURE,
        "setup_intent.succeeded": Fetch.SETUP,
        "charge.refunded": Fetch.CHARGE,
        "charge.dispute.created": Fetch.CHARGE,
        "charge.dispute.updated": Fetch.CHARGE,
        "charge.dispute.closed": Fetch.CHARGE,
        "refund.updated": Fetch.CHARGE,
        "refund.failed": Fetch.CHARGE,
        "product.created": Fetch.CATALOGUE,
        "product.updated": Fetch.CATALOGUE,
        "product.deleted": Fetch.CATALOGUE,
        "price.created": Fetch.CATALOGUE,
        "price.updated": Fetch.CATALOGUE,
        "price.deleted": Fetch.CATALOGUE,
    }
)


# The year 2242; a larger number is no time stamp of Stripe's.
_LATEST = 2**33


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What is kept of an event."""

    id: str
    type: str
    created: int
    subject: str
    object_id: str
    request_id: str
    idempotency_key: str

    @property
    def is_handled(self) -> bool:
        """Whether a job has to follow."""
        return bool(self.subject) and self.type in HANDLED


def read_event(event: dict[str, Any]) -> Delivery:
    """Read what is kept of an event from its body.

    Args:
        event: The parsed body.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: It is not an event.
    """
    thing, request = event["data"]["object"], event.get("request") or {}
    created = event["created"]
    if not 0 < created < _LATEST or not event["id"]:
        raise ValueError(created)
    return Delivery(
        id=_word(event["id"]),
        type=_word(event["type"], at_most=100),
        created=created,
        subject=_word(_subject(event["type"], data=event["data"])),
        object_id=_word(thing.get("id")),
        request_id=_word(request.get("id")),
        idempotency_key=_word(request.get("idempotency_key")),
    )


def _word(value: str | None, *, at_most: int = 255) -> str:
    """Return a value that a column can hold; Stripe's ids and types are plain words."""
    word = value or ""
    if len(word) > at_most or not word.isprintable():
        raise ValueError(word)
    return word


def _subject(event_type: str, *, data: dict[str, Any]) -> Any:
    """Return the id of what an event is about: a customer, a charge or an object of the catalogue.

    Refunds and disputes name a charge and no customer.
    """
    thing = data["object"]
    if HANDLED.get(event_type) is Fetch.CHARGE:
        return thing["id"] if thing.get("object") == "charge" else thing.get("charge")
    if thing.get("object") in ("customer", "product", "price"):
        return thing["id"]
    # A detached payment method has no customer any more; the event names the previous one.
    customer = thing.get("customer") or (data.get("previous_attributes") or {}).get("customer")
    return customer["id"] if isinstance(customer, dict) else customer or ""

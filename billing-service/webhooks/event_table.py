"""The event types this service reacts to, and what each of them makes it fetch again."""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any


class Fetch(Enum):
    """What may have changed; every event of a customer in one job is covered by one fetch."""

    SUBSCRIPTIONS = "the customer's subscriptions"
    CUSTOMER = "the customer, its payment methods and its subscriptions"
    SETUP = "the same, after the card of the setup became the default"
    CATALOGUE = "a product or a price"


# To react to another type, add a line.
HANDLED = MappingProxyType(
    {
        "customer.subscription.created": Fetch.SUBSCRIPTIONS,
        "customer.subscription.updated": Fetch.SUBSCRIPTIONS,
        "customer.subscription.deleted": Fetch.SUBSCRIPTIONS,
        "customer.subscription.paused": Fetch.SUBSCRIPTIONS,
        "customer.subscription.resumed": Fetch.SUBSCRIPTIONS,
        "customer.subscription.pending_update_applied": Fetch.SUBSCRIPTIONS,
        "customer.subscription.pending_update_expired": Fetch.SUBSCRIPTIONS,
        "customer.subscription.trial_will_end": Fetch.SUBSCRIPTIONS,
        "customer.updated": Fetch.CUSTOMER,
        "customer.deleted": Fetch.CUSTOMER,
        "payment_method.attached": Fetch.CUSTOMER,
        "payment_method.automatically_updated": Fetch.CUSTOMER,
        "payment_method.detached": Fetch.CUSTOMER,
        "payment_method.updated": Fetch.CUSTOMER,
        "invoice.finalized": Fetch.SUBSCRIPTIONS,
        "invoice.paid": Fetch.SUBSCRIPTIONS,
        "invoice.payment_action_required": Fetch.SUBSCRIPTIONS,
        "invoice.payment_failed": Fetch.SUBSCRIPTIONS,
        "invoice.voided": Fetch.SUBSCRIPTIONS,
        "checkout.session.completed": Fetch.CUSTOMER,
        "setup_intent.succeeded": Fetch.SETUP,
        "product.created": Fetch.CATALOGUE,
        "product.updated": Fetch.CATALOGUE,
        "product.deleted": Fetch.CATALOGUE,
        "price.created": Fetch.CATALOGUE,
        "price.updated": Fetch.CATALOGUE,
        "price.deleted": Fetch.CATALOGUE,
    }
)


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
        KeyError, TypeError, AttributeError: It is not an event.
    """
    thing, request = event["data"]["object"], event.get("request") or {}
    return Delivery(
        id=str(event["id"]),
        type=str(event["type"]),
        created=int(event["created"]),
        subject=_subject(event["type"], data=event["data"]),
        object_id=str(thing.get("id") or ""),
        request_id=str(request.get("id") or ""),
        idempotency_key=str(request.get("idempotency_key") or ""),
    )


def _subject(event_type: str, *, data: dict[str, Any]) -> str:
    """Name whose truth an event is about: a customer, or an object of the catalogue."""
    thing = data["object"]
    if thing.get("object") in ("customer", "product", "price"):
        return str(thing["id"])
    # A detached payment method has no customer any more; the event tells whose it was.
    customer = thing.get("customer") or (data.get("previous_attributes") or {}).get("customer")
    return str(customer["id"] if isinstance(customer, dict) else customer or "")

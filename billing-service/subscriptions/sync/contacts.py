"""Keeps the names and e-mail addresses of customers at Stripe in step with those of our users."""

import logging
import time
from uuid import uuid4

from django.db.models import F, Q

from subscriptions.errors import (
    CustomerNotVisible,
    PaymentGatewayRefused,
    PaymentGatewayUnavailable,
    StripeObjectNotFound,
)
from subscriptions.models import Customer
from subscriptions.stripe_gateway.customers import write_contact
from subscriptions.sync.customer_rows import contact_of
from subscriptions.sync.writer import refresh_customer

# In one sweep. After an upgrade all customers wait, and their calls share the pace with webhooks.
_MOST = 200

_log = logging.getLogger(__name__)


def send_contacts(*, seconds: float) -> int:
    """Send what has changed since it was last sent, some customers at a time; return how many.

    What was sent is noted for each customer, so the next sweep continues after an outage.

    Args:
        seconds: Begin no further call after that time.
    """
    until, sent = time.monotonic() + seconds, 0
    for customer in _out_of_step():
        if time.monotonic() > until:
            break
        try:
            _send(customer)
        except CustomerNotVisible:
            continue
        except PaymentGatewayUnavailable as outage:
            _log.warning("Names of customers wait for Stripe", extra={"code": outage.code})
            break
        sent += 1
    return sent


def _out_of_step() -> list[Customer]:
    known = Customer.objects.filter(deleted_at=None, user__version__gt=0)
    current = known.exclude(stripe_customer_id=None).filter(
        user__deletion_requested_at=None, user__anonymised_at=None
    )
    changed = ~Q(name_at_stripe=F("user__username")) | ~Q(email_at_stripe=F("user__email"))
    named = current.exclude(user__username__contains=":")
    # In no order, so that a few that cannot be sent do not hold up the others.
    return list(named.filter(changed).select_related("user").order_by("?")[:_MOST])


def _send(customer: Customer) -> None:
    contact, name = contact_of(customer.user), customer.stripe_customer_id or ""
    if customer.email_at_stripe and "email" not in contact:
        contact["email"] = ""
    try:
        write_contact(name, contact, key=f"contact:{uuid4()}")
    except StripeObjectNotFound:
        refresh_customer(name, cause="name or e-mail address changed")
        return
    except PaymentGatewayRefused:
        # It stays refused; the next change is sent again.
        _log.warning("Stripe refused the name or address of a user", extra={"customer": name})
    columns = {f"{column}_at_stripe": value for column, value in contact.items()}
    Customer.objects.filter(pk=customer.pk, deleted_at=None).update(**columns)

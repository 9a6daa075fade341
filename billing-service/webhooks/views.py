"""The endpoint Stripe delivers to: check, store, answer; everything else is a worker's job."""

import json
import logging
import time

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from errors import BillingError
from webhooks import inbox, signature
from webhooks.event_types import Delivery, read_event

_log = logging.getLogger(__name__)


class BadEvent(BillingError):
    """The body is signed, but it is not an event."""

    code, status = "bad_event", 400


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> JsonResponse:
    """Store one delivery.

    Raises:
        BadSignature: It is not from Stripe.
        BadEvent: It is no event.
    """
    secrets = settings.BILLING.stripe_webhook_secrets
    # Settings allow an empty secret in ENVIRONMENT=local alone, as the demo always did.
    if secrets:
        header = request.headers.get("Stripe-Signature", "")
        signature.verify(request.body, header=header, secrets=secrets, now=time.time())
    delivery = _read(request.body)
    inbox.store(delivery)
    _log.info(
        "Webhook event stored",
        extra={"event": delivery.id, "event_type": delivery.type, "subject": delivery.subject},
    )
    return JsonResponse({"received": True})


def _read(body: bytes) -> Delivery:
    try:
        return read_event(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadEvent("The body is not an event.") from None

"""The endpoint Stripe delivers to: check, store, answer; the worker does the rest."""

import logging

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from errors import BillingError, MethodNotAllowed
from identity.verifier import parse_object
from subscriptions.stripe_gateway.webhook_signature import verify_webhook_signature
from webhooks import inbox
from webhooks.event_types import Delivery, read_event

_log = logging.getLogger(__name__)


class BadEvent(BillingError):
    """The body is signed, but it is not an event."""

    code, status = "bad_event", 400


@csrf_exempt
def receive(request: HttpRequest) -> JsonResponse:
    """Store one delivery.

    Raises:
        BadSignature: Stripe did not sign it, or too long ago.
        BadEvent: It is not an event.
    """
    if request.method != "POST":
        raise MethodNotAllowed(headers={"Allow": "POST"})
    secrets = settings.BILLING.stripe_webhook_secrets
    # Settings allow an empty list in ENVIRONMENT=local alone, as the original demo does.
    if secrets:
        header = request.headers.get("Stripe-Signature", "")
        verify_webhook_signature(request.body, header=header, secrets=secrets)
    delivery = _read(request.body)
    inbox.store(delivery)
    _log.info(
        "Webhook event stored",
        extra={"event": delivery.id, "event_type": delivery.type, "subject": delivery.subject},
    )
    return JsonResponse({"received": True})


def _read(body: bytes) -> Delivery:
    try:
        return read_event(parse_object(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadEvent("The body is not an event.") from None

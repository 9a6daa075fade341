"""Signs webhook payloads the way receivers verify them."""

import hmac
import time
from hashlib import sha256


def signature_header(payload: str, *, secret: str) -> str:
    """The `Stripe-Signature` header of one delivery attempt, made for this moment.

    Source: https://docs.stripe.com/webhooks#verify-manually

    Args:
        payload: The body exactly as it is sent.
        secret: The receiver's signing secret, `whsec_…`.
    """
    timestamp = int(time.time())
    signed = f"{timestamp}.{payload}".encode()
    return f"t={timestamp},v1={hmac.new(secret.encode(), signed, sha256).hexdigest()}"

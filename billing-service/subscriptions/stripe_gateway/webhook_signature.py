"""Checks the signature of Stripe's webhooks with the SDK.

`WebhookSignature` and not `construct_event`: the latter also builds the SDK's object tree out of
the body, which takes as long as the rest of the request.
"""

from collections.abc import Sequence

import stripe

from errors import BillingError

TOLERANCE_SECONDS = 300


class BadSignature(BillingError):
    """The delivery was not signed with one of our secrets, or too long ago.

    The response does not say which, since the caller may be an attacker.
    """

    code, status = "bad_signature", 400
    sentence = "The signature does not match."


def verify_webhook_signature(body: bytes, *, header: str, secrets: Sequence[str]) -> None:
    """Check that Stripe signed a body within the last five minutes.

    Args:
        body: Exactly the bytes that were received.
        header: `Stripe-Signature`: `t=<seconds>,v1=<hex>[,v1=<hex>…]`.
        secrets: Signing secrets; while one is being replaced there are two.

    Raises:
        BadSignature: No pair of secret and signature matches, or the signature is too old.
    """
    # The SDK compares signatures as text, which Python allows for ASCII alone.
    if not header.isascii() or not any(
        _is_signed(body, header=header, secret=secret) for secret in secrets
    ):
        raise BadSignature


def _is_signed(body: bytes, *, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True

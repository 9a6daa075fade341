"""Who calls, from where, and under which Idempotency-Key."""

import ipaddress
from typing import cast
from uuid import UUID

from django.http import HttpRequest
from rest_framework.request import Request

from errors import ValidationFailed
from identity.bearer import VerifiedUser

_LONGEST_KEY = 255


def user_id_of(request: Request) -> UUID:
    """Return the id the verified token names."""
    # The stubs think of Django's own users; REST views know one authentication, ours.
    return cast(VerifiedUser, request.user).id


def source_of(request: Request | HttpRequest) -> str | None:
    """Return the address the gateway saw the caller at, if there is a valid one.

    The last entry of X-Forwarded-For is the gateway's own; those before it are the caller's word.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(forwarded or request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key header, if there is one.

    Raises:
        ValidationFailed: It is too long or not printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise ValidationFailed(
            "The Idempotency-Key header must be 1 to 255 printable ASCII characters.",
            errors={"Idempotency-Key": ["Use 1 to 255 printable ASCII characters."]},
        )
    return key

"""The caller's user id, IP address and Idempotency-Key."""

import ipaddress
from typing import cast
from uuid import UUID

from rest_framework.request import Request

from errors import ValidationFailed
from identity.bearer import VerifiedUser
from identity.client_ip import client_ip

_LONGEST_KEY = 255


def user_id_of(request: Request) -> UUID:
    """Return the id the verified token names."""
    # The stubs think of Django's own users; REST views know one authentication, ours.
    return cast(VerifiedUser, request.user).id


def client_ip_of(request: Request) -> str | None:
    """Return the client's IP address as the gateway saw it, if it is one."""
    try:
        address = ipaddress.ip_address(client_ip(request._request))  # noqa: SLF001 - DRF's only way to Django's request
    except ValueError:
        return None
    # Limits count networks of IPv6 addresses; all of IPv4 in one of them would be one client.
    return str((address.version == 6 and address.ipv4_mapped) or address)  # noqa: PLR2004 - IPv6


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key header, if there is one.

    Raises:
        ValidationFailed: It is too long or not printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise ValidationFailed({"Idempotency-Key": ["Use 1 to 255 printable ASCII characters."]})
    return key

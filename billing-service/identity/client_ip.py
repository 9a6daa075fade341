"""The IP address of the client."""

from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """Return the caller's address as the gateway saw it.

    The gateway drops what clients send as X-Forwarded-For and appends the peer's address, so
    the last entry is the only one that a client cannot forge.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))

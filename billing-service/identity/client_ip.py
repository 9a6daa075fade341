"""Where a request comes from."""

from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """Return the caller's address as the gateway saw it.

    The gateway drops what clients send as X-Forwarded-For and appends the peer's address, so
    the last entry is the only one nobody can make up.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))

"""What happens around every request, REST view or not."""

import re
import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from config import error_handlers
from identity import request_id

# Anything else than a plain word could forge lines of the log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

# What a browser may do with an answer that it shows (W3C Content Security Policy 3). A page loads
# files of ours alone; Swagger UI's style sheet and the admin's have icons as data URLs.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Gives every request an id that its log lines and its answer carry."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer under the gateway's id."""
        given = request.headers.get(request_id.HEADER)
        current = given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request_id.CURRENT.set(current)
        response = self._get_response(request)
        response[request_id.HEADER] = current
        return response


class ProtectiveHeadersMiddleware:
    """Gives every answer the headers that keep it out of caches and its content from running.

    An answer that does not say itself whether it may be stored is not stored.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with what is missing."""
        response = self._get_response(request)
        headers = response.headers
        headers.setdefault("Cache-Control", "no-store")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        is_page = headers.get("Content-Type", "").startswith("text/html")
        headers.setdefault("Content-Security-Policy", _PAGE_POLICY if is_page else _DATA_POLICY)
        return response


class BillingErrorMiddleware:
    """Turns what a view raised into its JSON response, if there is one for it."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer refusals and an unavailable database; a bug becomes a logged 500."""
        return error_handlers.view_raised(request, error)


class ApiMiddleware:
    """Answers API calls without the layers for pages that follow it in MIDDLEWARE.

    Those (sessions, CSRF, messages) are a quarter of the CPU of a small API request, and an API
    that looks at no cookie has no use for any of them.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._answer_page = get_response
        self._answer_api = _innermost(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer an API call at once, and a page within all layers."""
        if not _is_api(request):
            return self._answer_page(request)
        # Django calls the one hook of a layer that it would call for every request.
        request.csrf_processing_done = True  # type: ignore[attr-defined]  # Django's own attribute
        response = self._answer_api(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _innermost(get_response: GetResponse) -> GetResponse:
    """Return what the layers end in: Django's own handler, which calls the view.

    Django wraps each layer in a function, and names the layer in `__wrapped__`.
    """
    layer: Any = getattr(get_response, "__wrapped__", None)
    return _innermost(layer.get_response) if hasattr(layer, "get_response") else get_response


def _is_api(request: HttpRequest) -> bool:
    path = request.path_info
    return path.startswith(("/api/subscriptions", "/api/stripe-webhook"))

"""What happens around every request, REST view or not."""

import re
import uuid
from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from config import error_handlers
from identity import request_id

# Anything else than a plain word could forge lines of the log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

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


class PagesMiddleware:
    """Everything pages for people need (sessions, CSRF, messages), which API calls go without.

    Those layers are a quarter of the CPU of a small API request, and an API that looks at no
    cookie has no use for any of them.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._answer_api = get_response
        self._csrf = CsrfViewMiddleware(
            AuthenticationMiddleware(MessageMiddleware(XFrameOptionsMiddleware(get_response)))
        )
        pages = SessionMiddleware(CommonMiddleware(self._csrf))
        static = WhiteNoiseMiddleware(pages)  # type: ignore[no-untyped-call]  # untyped in the library
        self._answer_page = SecurityMiddleware(static)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer an API call at once, and a page within all layers."""
        if not _is_api(request):
            return cast(HttpResponseBase, self._answer_page(request))
        response = self._answer_api(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Pass on the one hook that any of the layers has."""
        return None if _is_api(request) else self._csrf.process_view(request, view, args, kwargs)


def _is_api(request: HttpRequest) -> bool:
    path = request.path_info
    return path.startswith(("/api/subscriptions", "/api/stripe-webhook"))

"""Views for the most frequent reads, without the REST framework's request handling.

Parsers, negotiation, throttles and permissions take half of the time of a small GET.
"""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from errors import BillingError, to_response
from identity.bearer import authenticate


class FastReadView(APIView):
    """Answers GET requests of a verified caller with what a subclass's `describe` returns."""

    http_method_names = ("get", "head", "options")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Verify the access token, then answer."""
        if request.method not in ("GET", "HEAD"):
            return super().dispatch(request, *args, **kwargs)
        try:
            caller = authenticate(request.META.get("HTTP_AUTHORIZATION"))
            return self.describe(request, user_id=caller.id)
        except BillingError as refusal:
            return to_response(refusal)

    def describe(self, request: HttpRequest, *, user_id: UUID) -> HttpResponse:
        """Return the response for a verified caller."""
        raise NotImplementedError


def private_json(body: Any, **headers: str) -> JsonResponse:
    """Return a response about one user, which no shared cache may store.

    Args:
        body: What to send.
        headers: Additional headers, with underscores for hyphens.
    """
    response = JsonResponse(body, safe=False)
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization"
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response

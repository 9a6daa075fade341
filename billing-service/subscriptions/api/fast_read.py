"""Views on the hottest paths: documented like the others, without DRF's stack around them.

Parsing, negotiation, throttling and permission objects are half of the time of a small GET.
"""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from errors import BillingError, to_response
from identity.bearer import authenticate


class LeanView(APIView):
    """Answers GET for the verified caller; `describe` is what a subclass writes."""

    http_method_names = ("get", "head", "options")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Verify the caller, then answer."""
        if request.method not in ("GET", "HEAD"):
            return super().dispatch(request, *args, **kwargs)
        try:
            caller = authenticate(request.META.get("HTTP_AUTHORIZATION"))
            return self.describe(request, user_id=caller.id)
        except BillingError as refusal:
            return to_response(refusal)

    def describe(self, request: HttpRequest, *, user_id: UUID) -> HttpResponse:
        """Answer a verified caller."""
        raise NotImplementedError


def private_json(body: Any, **headers: str) -> JsonResponse:
    """Make an answer about one user, which no shared cache may keep.

    Args:
        body: What to send.
        headers: Additional headers, underscores standing for hyphens.
    """
    response = JsonResponse(body, safe=False)
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization"
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response

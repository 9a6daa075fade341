"""The page `/api/docs/`: one Swagger UI over both services' schemas."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

SCHEMAS = (
    {"name": "Tokens", "url": "/api/token/openapi.json"},
    {"name": "Billing", "url": "/api/schema/"},
)
# Nothing is loaded from elsewhere, and the page's one script is a file of ours.
_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show how to try the API, and the API."""
    sandboxed = bool(settings.BILLING.stripe_api_base)
    context = {
        "schemas": json.dumps(SCHEMAS),
        "is_local": settings.BILLING.is_local,
        "stripe_dashboard_url": settings.BILLING.stripe_dashboard_url,
        "stripe_dashboard_name": "The sandbox's page" if sandboxed else "Stripe's dashboard",
    }
    response = render(request, "config/docs.html", context)
    response["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    return response

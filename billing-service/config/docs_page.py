"""`/api/docs/`: Swagger UI over the documents of both services, from auth-service's assets."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config import __version__

# auth-service serves these files for the API pages of all services; the gateway routes them there.
ASSETS_URL = "/api/token/docs/assets"
_SCHEMAS = (
    {"name": "Tokens", "url": "/api/token/openapi.json"},
    {"name": "Billing", "url": "/api/schema/"},
)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the API, and how to try it."""
    uses_sandbox = bool(settings.BILLING.stripe_api_base)
    context = {
        "assets": ASSETS_URL,
        "version": __version__,
        "schemas": json.dumps(_SCHEMAS),
        "is_local": settings.BILLING.is_local,
        "stripe_dashboard_url": settings.BILLING.stripe_dashboard_url,
        "stripe_dashboard_name": "Stripe sandbox" if uses_sandbox else "Stripe dashboard",
    }
    response = render(request, "config/docs.html", context)
    response["Cache-Control"] = "no-cache"
    return response

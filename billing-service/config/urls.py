"""Every public path of the service, and the operational ones the gateway never routes."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView

from config.docs_page import docs
from config.operations import healthz, livez, metrics, readyz

_ICON = "backoffice/icon.svg"

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs/")),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
    path("api/subscriptions/", include("subscriptions.api.urls")),
    path("api/", include("webhooks.urls")),
    path("admin/", admin.site.urls),
    # What browsers ask for where a page names no icon.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}{_ICON}")),
    path("livez", livez),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]

handler404 = "config.error_handlers.not_found"
handler500 = "config.error_handlers.failed"

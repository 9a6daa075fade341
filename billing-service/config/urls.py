"""Every public path of the service, and the operational ones the gateway never routes."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView

from config.docs_page import docs
from config.operations import healthz, livez, metrics, readyz

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs/")),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
    path("api/subscriptions/", include("subscriptions.api.urls")),
    path("api/", include("webhooks.urls")),
    path("admin/", admin.site.urls),
    path("livez", livez),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]

handler404 = "config.error_handlers.not_found"
handler500 = "config.error_handlers.failed"

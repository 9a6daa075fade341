"""Every public path of the service, and the operational ones the gateway never routes."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs/")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/subscriptions/", include("subscriptions.api.urls")),
    path("api/", include("webhooks.urls")),
    path("admin/", admin.site.urls),
]

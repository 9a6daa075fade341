"""Paths of the peer project."""

from django.urls import include, path
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from bench.peers.views import StatelessStatusView, StatusView

urlpatterns = [
    path("token/obtain", TokenObtainPairView.as_view()),
    path("token/refresh", TokenRefreshView.as_view()),
    path("status", StatusView.as_view()),
    path("status/stateless", StatelessStatusView.as_view()),
    path("stripe/", include("djstripe.urls", namespace="djstripe")),
]

"""Paths of the API, each with and without the trailing slash: a redirect would lose a POST."""

from collections.abc import Iterator

from django.urls import URLPattern, path
from rest_framework.views import APIView

from subscriptions.api.payment_views import (
    CheckoutSessionView,
    InvoicesView,
    PaymentMethodView,
    PortalSessionView,
    SetupIntentView,
)
from subscriptions.api.plan_views import (
    CancelView,
    ChangePreviewView,
    ChangeView,
    ResumeView,
)
from subscriptions.api.views import (
    EntitlementsView,
    NextActionView,
    ProductsView,
    StatusView,
    SubscribeView,
)

_VIEWS: dict[str, type[APIView]] = {
    "subscribe": SubscribeView,
    "status": StatusView,
    "next-action": NextActionView,
    "products": ProductsView,
    "cancel": CancelView,
    "resume": ResumeView,
    "change": ChangeView,
    "change/preview": ChangePreviewView,
    "payment-method": PaymentMethodView,
    "setup-intent": SetupIntentView,
    "invoices": InvoicesView,
    "checkout-session": CheckoutSessionView,
    "portal-session": PortalSessionView,
    "entitlements": EntitlementsView,
}


def _both_ways(views: dict[str, type[APIView]]) -> Iterator[URLPattern]:
    for route, view in views.items():
        yield path(route, view.as_view(), name=route.replace("/", "-"))
        yield path(f"{route}/", view.as_view())


urlpatterns = list(_both_ways(_VIEWS))

"""Payment methods, invoices and Stripe's hosted pages."""

from dataclasses import asdict

from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api import openapi_responses
from subscriptions.api.requests import (
    CheckoutRequest,
    EmptyBody,
    InvoicesQuery,
    PaymentMethodRequest,
    PortalRequest,
    client_ip_of,
    user_id_of,
    validated,
)
from subscriptions.api.serializers import HostedPageBody, InvoiceBody, InvoicesBody, SetupBody
from subscriptions.managing import hosted_pages, payment_methods
from subscriptions.managing.invoices import page_of_invoices
from subscriptions.managing.payment_methods import Setup


def _setup_body(setup: Setup) -> dict[str, str]:
    return {**asdict(setup), "publishable_key": settings.BILLING.stripe_publishable_key}


class PaymentMethodView(APIView):
    """Changes the card."""

    @extend_schema(
        operation_id="changePaymentMethod",
        summary="Pay with another card from now on",
        request=PaymentMethodRequest,
        responses={200: SetupBody, **openapi_responses.refusals(400, 401, 409, 429, 503)},
        examples=openapi_responses.PAYMENT_METHOD,
    )
    @sensitive_variables("body")
    def post(self, request: Request) -> Response:
        """Pay with another card from now on; an overdue invoice is collected at once.

        `requires_action` means that the card requires 3-D Secure: complete it in the browser with
        the `client_secret`, and the card becomes the default when Stripe reports success.
        """
        body = validated(PaymentMethodRequest, request.data)
        setup = payment_methods.change_card(
            user_id_of(request),
            payment_method=body["payment_method"],
            client_ip=client_ip_of(request),
        )
        return Response(_setup_body(setup))


class SetupIntentView(APIView):
    """Lets the browser collect a card."""

    @extend_schema(
        operation_id="createSetupIntent",
        summary="Create a setup intent to collect a card in the browser",
        request=None,
        responses={200: SetupBody, **openapi_responses.refusals(401, 409, 429, 503)},
        examples=openapi_responses.SETUP_INTENT,
    )
    def post(self, request: Request) -> Response:
        """Create a setup intent for Stripe.js: the card number never reaches this server.

        How many a user and a network may create in an hour is limited, as refused cards are.
        """
        validated(EmptyBody, request.data)
        setup = payment_methods.prepare_setup(user_id_of(request), client_ip=client_ip_of(request))
        return Response(_setup_body(setup))


class InvoicesView(APIView):
    """Lists invoices."""

    @extend_schema(
        operation_id="listInvoices",
        summary="List the caller's invoices",
        parameters=[InvoicesQuery],
        responses={200: InvoicesBody, **openapi_responses.refusals(400, 401, 503)},
        examples=openapi_responses.INVOICES,
    )
    def get(self, request: Request) -> Response:
        """List invoices, newest first, with links to Stripe's page and PDF of each."""
        query = validated(InvoicesQuery, request.query_params)
        found, following = page_of_invoices(
            user_id_of(request),
            limit=query["limit"],
            after=query.get("after"),
        )
        results = [{**asdict(invoice), "id_reference": invoice.id} for invoice in found]
        return Response({"results": InvoiceBody(results, many=True).data, "next": following})


class CheckoutSessionView(APIView):
    """Opens Stripe's page for subscribing."""

    @extend_schema(
        operation_id="createCheckoutSession",
        summary="Create a Stripe Checkout page for a subscription",
        request=CheckoutRequest,
        responses={200: HostedPageBody, **openapi_responses.refusals(400, 401, 409, 503)},
        examples=openapi_responses.CHECKOUT,
    )
    def post(self, request: Request) -> Response:
        """Return the URL of the page; the subscription appears when Stripe reports it."""
        wanted = validated(CheckoutRequest, request.data)
        url = hosted_pages.open_checkout(
            user_id_of(request),
            product_name=wanted["subscription_product"],
            success_path=wanted.get("success_path"),
            cancel_path=wanted.get("cancel_path"),
        )
        return Response({"url": url})


class PortalSessionView(APIView):
    """Opens Stripe's page for managing a subscription."""

    @extend_schema(
        operation_id="createPortalSession",
        summary="Create a Stripe customer portal page",
        request=PortalRequest,
        responses={200: HostedPageBody, **openapi_responses.refusals(400, 401, 404, 503)},
        examples=openapi_responses.PORTAL,
    )
    def post(self, request: Request) -> Response:
        """Return the URL of the page."""
        body = validated(PortalRequest, request.data)
        url = hosted_pages.open_portal(user_id_of(request), return_path=body.get("return_path"))
        return Response({"url": url})

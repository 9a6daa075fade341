"""Subscribing, status, entitlements and the list of products."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from errors import BillingError, to_response
from identity.bearer import authenticate
from subscriptions.api import openapi_responses
from subscriptions.api.requests import (
    SubscribeRequest,
    client_ip_of,
    idempotency_key,
    user_id_of,
    validated,
)
from subscriptions.api.serializers import (
    EntitlementsBody,
    NextActionBody,
    ProductBody,
    StatusBody,
)
from subscriptions.catalogue.products import products_on_sale
from subscriptions.models import SubscriptionProduct
from subscriptions.status import (
    entitlements_body,
    entity_tag,
    next_action_body,
    status_body,
    status_body_with_secret,
)
from subscriptions.subscribing.attempts import SubscribeCommand
from subscriptions.subscribing.subscribe import subscribe


class SubscribeView(APIView):
    """Starts a user's subscription."""

    @extend_schema(
        operation_id="subscribe",
        summary="Subscribe the caller to a product",
        request=SubscribeRequest,
        parameters=[openapi_responses.IDEMPOTENCY_KEY],
        responses={200: StatusBody, **openapi_responses.refusals(400, 401, 409, 422, 429, 503)},
        examples=openapi_responses.SUBSCRIBE,
    )
    @sensitive_variables("body")
    def post(self, request: Request) -> Response:
        """Subscribe with a payment method, or with one of Stripe's published test cards.

        If the card requires 3-D Secure, the response is 200 with `status` failed and a
        `next_action`. When the user has completed it, the status becomes successful without
        another call.
        """
        wanted = validated(SubscribeRequest, request.data)
        product: SubscriptionProduct = wanted["product"]
        user_id = user_id_of(request)
        outcome = subscribe(
            SubscribeCommand(
                user_id=user_id,
                product_name=product.name,
                price_reference=product.price_reference,
                payment_method=wanted["payment_method"],
                client_ip=client_ip_of(request),
                idempotency_key=idempotency_key(request),
            )
        )
        return Response(status_body_with_secret(user_id, client_secret=outcome.client_secret))


class FastReadView(APIView):
    """Answers GET requests of a verified caller with what a subclass's `describe` returns.

    The most frequent reads go without the REST framework's request handling: parsers,
    negotiation, throttles and permissions take half of the time of a small GET.
    """

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


class StatusView(FastReadView):
    """The caller's subscription."""

    @extend_schema(
        operation_id="getSubscriptionStatus",
        summary="Get the caller's subscription",
        responses={200: StatusBody, **openapi_responses.refusals(401, 404, 503)},
        examples=openapi_responses.STATUS,
    )
    def get(self, request: Request) -> Response:
        """Return the current subscription; `payment_gateway_status` is Stripe's status.

        It is answered without Stripe. So `next_action` has no `client_secret`, which `next-action`
        returns.
        """
        raise NotImplementedError

    def describe(self, request: HttpRequest, *, user_id: UUID) -> HttpResponse:
        """Return the status from one row."""
        return JsonResponse(status_body(user_id))


class NextActionView(APIView):
    """What the caller has to do to complete a payment."""

    @extend_schema(
        operation_id="getNextAction",
        summary="Get what completes the caller's payment",
        responses={200: NextActionBody, **openapi_responses.refusals(401, 404, 429, 503)},
        examples=openapi_responses.NEXT_ACTION,
    )
    def get(self, request: Request) -> Response:
        """Return the `next_action` of the status with the `client_secret`; null if there is none.

        Each user gets the secret at most 30 times a minute.
        """
        return Response(next_action_body(user_id_of(request)))


class EntitlementsView(FastReadView):
    """What the caller may use."""

    @extend_schema(
        operation_id="getEntitlements",
        summary="Get the products the caller may use",
        responses={200: EntitlementsBody, 304: None, **openapi_responses.refusals(401, 503)},
        examples=openapi_responses.ENTITLEMENTS,
    )
    def get(self, request: Request) -> Response:
        """Return the products the caller may use, or 304 if `If-None-Match` names the same."""
        raise NotImplementedError

    def describe(self, request: HttpRequest, *, user_id: UUID) -> HttpResponse:
        """Return entitlements from one row, or 304 if the caller has them already."""
        body = entitlements_body(user_id)
        tag = entity_tag(body)
        known = request.META.get("HTTP_IF_NONE_MATCH", "")
        response = JsonResponse(body, headers={"ETag": tag})
        if {tag, "*"} & {each.strip().removeprefix("W/") for each in known.split(",")}:
            # The remaining headers are those that RFC 9110 section 15.4.5 asks for.
            response.status_code, response.content = 304, b""
            del response["Content-Type"]
        return response


class ProductsView(APIView):
    """What is on sale."""

    @extend_schema(
        operation_id="listProducts",
        summary="List the products on sale",
        responses={200: ProductBody(many=True), **openapi_responses.refusals(401)},
        examples=openapi_responses.PRODUCTS,
    )
    def get(self, request: Request) -> Response:
        """List the products on sale with their prices."""
        return Response(ProductBody(products_on_sale(), many=True).data)

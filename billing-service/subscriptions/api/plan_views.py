"""Cancelling, resuming and changing a subscription."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api import openapi_responses
from subscriptions.api.requests import (
    CancelRequest,
    ChangeRequest,
    EmptyBody,
    client_ip_of,
    user_id_of,
    validated,
)
from subscriptions.api.serializers import PreviewBody, StatusBody
from subscriptions.managing import plan
from subscriptions.status import status_body, status_body_with_secret


class CancelView(APIView):
    """Ends a subscription."""

    @extend_schema(
        operation_id="cancelSubscription",
        summary="Cancel the caller's subscription",
        request=CancelRequest,
        responses={200: StatusBody, **openapi_responses.refusals(400, 401, 404, 409, 503)},
        examples=openapi_responses.CANCEL,
    )
    def post(self, request: Request) -> Response:
        """Cancel at the end of the paid period (`at_period_end`, the default) or now."""
        wanted = validated(CancelRequest, request.data)
        user_id = user_id_of(request)
        plan.cancel(user_id, at_period_end=wanted["at_period_end"])
        return Response(status_body(user_id))


class ResumeView(APIView):
    """Withdraws a cancellation, or ends a pause."""

    @extend_schema(
        operation_id="resumeSubscription",
        summary="Withdraw the caller's cancellation, or end a pause",
        request=None,
        responses={200: StatusBody, **openapi_responses.refusals(400, 401, 404, 409, 429, 503)},
        examples=openapi_responses.STATUS[:1],
    )
    def post(self, request: Request) -> Response:
        """Continue a subscription that is cancelled but has not ended, or that is paused.

        A paused one begins a new period, which the card is charged for. If it requires 3-D Secure,
        `next_action` leads to the invoice.
        """
        validated(EmptyBody, request.data)
        user_id = user_id_of(request)
        plan.resume(user_id, client_ip=client_ip_of(request))
        return Response(status_body(user_id))


class ChangeView(APIView):
    """Moves a subscription to another product."""

    @extend_schema(
        operation_id="changeSubscription",
        summary="Move the caller's subscription to another product",
        request=ChangeRequest,
        responses={200: StatusBody, **openapi_responses.refusals(400, 401, 404, 409, 429, 503)},
        examples=openapi_responses.CHANGE,
    )
    def post(self, request: Request) -> Response:
        """Change now: a more expensive product is charged prorated, a cheaper one credited.

        If the charge fails, nothing has changed. If the card requires 3-D Secure, the response
        shows the old product and a `next_action`; once that is completed, the status shows the
        new product without another call.
        """
        wanted = validated(ChangeRequest, request.data)
        user_id = user_id_of(request)
        secret = plan.change(
            user_id, product_name=wanted["subscription_product"], client_ip=client_ip_of(request)
        )
        return Response(status_body_with_secret(user_id, client_secret=secret))


class ChangePreviewView(APIView):
    """Previews what a change costs."""

    @extend_schema(
        operation_id="previewSubscriptionChange",
        summary="Preview what moving to another product costs",
        request=ChangeRequest,
        responses={200: PreviewBody, **openapi_responses.refusals(400, 401, 404, 409, 503)},
        examples=openapi_responses.PREVIEW,
    )
    def post(self, request: Request) -> Response:
        """Return the prorated amounts without changing anything."""
        wanted = validated(ChangeRequest, request.data)
        preview = plan.preview(user_id_of(request), product_name=wanted["subscription_product"])
        body = {
            "subscription_product": preview.product.name,
            "due_now": {"amount": preview.due_now, "currency": preview.currency},
            "next_invoice": {"amount": preview.next_invoice, "currency": preview.currency},
            "next_invoice_at": preview.next_invoice_at,
            "lines": [
                {"description": line.get("description") or "", "amount": line.get("amount") or 0}
                for line in preview.lines
            ],
        }
        return Response(PreviewBody(body).data)

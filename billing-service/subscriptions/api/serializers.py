"""Requests and responses of the endpoints."""

from typing import Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers

from subscriptions.api.requests import (
    CvcField,
    StrictBody,
    StrictQuery,
    TestCardNumberField,
    refuse_expired,
)

_CARD_FIELDS = ("card_number", "card_expiration_month", "card_expiration_year", "card_cvc")
_PAYMENT_METHOD = r"^pm_[A-Za-z0-9_]{1,250}$"
_PATH = r"^/[^/\\\s]\S{0,500}$"


@sensitive_variables("data", "serializer")
def validated(request: type[StrictQuery], data: Any) -> dict[str, Any]:
    """Return a request's validated fields.

    Args:
        request: The serializer that describes it.
        data: The parsed body or the query parameters.

    Raises:
        serializers.ValidationError: With sentences by field.
    """
    serializer = request(data=data)
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields


class PaymentMethodRequest(StrictBody):
    """A payment method, or the card fields with one of Stripe's published test numbers."""

    payment_method = serializers.RegexField(_PAYMENT_METHOD, required=False)
    card_number = TestCardNumberField(required=False, write_only=True)
    card_expiration_month = serializers.IntegerField(
        required=False, write_only=True, min_value=1, max_value=12
    )
    card_expiration_year = serializers.IntegerField(
        required=False, write_only=True, min_value=0, max_value=9999
    )
    card_cvc = CvcField(required=False, write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require a payment method or all card fields, and return the payment method alone."""
        given = [name for name in _CARD_FIELDS if name in attrs]
        if "payment_method" in attrs:
            if given:
                raise serializers.ValidationError(
                    {"payment_method": ["Send payment_method or card fields, not both."]}
                )
            return attrs
        missing = [name for name in _CARD_FIELDS if name not in attrs]
        if missing:
            raise serializers.ValidationError(
                {name: ["This field is required."] for name in missing}
            )
        refuse_expired(
            attrs["card_expiration_month"],
            attrs["card_expiration_year"],
            today=timezone.now().date(),
        )
        attrs["payment_method"] = attrs["card_number"]
        return {name: value for name, value in attrs.items() if name not in _CARD_FIELDS}


class SubscribeRequest(PaymentMethodRequest):
    """What to subscribe to, and how to pay for it."""

    subscription_product = serializers.SlugField(max_length=64)


class CancelRequest(StrictBody):
    """When to end."""

    at_period_end = serializers.BooleanField(default=True)


class ChangeRequest(StrictBody):
    """What to change to."""

    subscription_product = serializers.SlugField(max_length=64)


class NextAction(serializers.Serializer[Any]):
    """What the user has to do to complete a payment."""

    type = serializers.ChoiceField(choices=["authenticate", "pay_invoice", "wait"])
    client_secret = serializers.CharField(
        allow_null=True, help_text="For Stripe.js in the user's own browser; do not log it."
    )
    hosted_invoice_url = serializers.URLField(allow_null=True)


class StatusBody(serializers.Serializer[Any]):
    """A user's current subscription."""

    status = serializers.ChoiceField(choices=["successful", "failed", "canceled", "pending"])
    payment_gateway_status = serializers.ChoiceField(
        choices=[
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "canceled",
            "unpaid",
            "paused",
        ],
        allow_null=True,
    )
    current_period_start = serializers.DateTimeField(allow_null=True)
    current_period_end = serializers.DateTimeField(allow_null=True)
    id_reference = serializers.CharField(allow_null=True)
    price_reference = serializers.CharField()
    purchase_date = serializers.DateField(allow_null=True)
    access_until = serializers.DateTimeField(allow_null=True)
    cancel_at_period_end = serializers.BooleanField(
        help_text="It ends with the paid period, wherever that was decided."
    )
    ends_at = serializers.DateTimeField(
        allow_null=True, help_text="When it ended or will end; null while it goes on."
    )
    next_action = NextAction(allow_null=True)


class ProductBody(serializers.Serializer[Any]):
    """A product on sale."""

    name = serializers.CharField()
    title = serializers.CharField()
    price_reference = serializers.CharField()
    unit_amount = serializers.IntegerField(
        allow_null=True, help_text="In the currency's smallest unit."
    )
    currency = serializers.CharField()
    interval = serializers.CharField()
    interval_count = serializers.IntegerField()


class ErrorBody(serializers.Serializer[Any]):
    """Why a request was refused; `code` is stable, `detail` is for people."""

    detail = serializers.CharField()
    code = serializers.CharField()
    decline_code = serializers.CharField(required=False)
    errors = serializers.DictField(  # type: ignore[assignment]  # a field's name, taken out by the metaclass
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class EntitlementsBody(serializers.Serializer[Any]):
    """What a user may use, and until when in the current state."""

    products = serializers.ListField(child=serializers.CharField())
    access_until = serializers.DateTimeField(allow_null=True)


class Money(serializers.Serializer[Any]):
    """An amount in a currency's smallest unit."""

    amount = serializers.IntegerField()
    currency = serializers.CharField()


class PreviewLine(serializers.Serializer[Any]):
    """One line of the invoice for a change."""

    description = serializers.CharField()
    amount = serializers.IntegerField()


class PreviewBody(serializers.Serializer[Any]):
    """What a change would cost: now, and on the next invoice (negative: a credit)."""

    subscription_product = serializers.CharField()
    due_now = Money()
    next_invoice = Money()
    next_invoice_at = serializers.DateTimeField(allow_null=True)
    lines = PreviewLine(many=True)


class SetupBody(serializers.Serializer[Any]):
    """The state of setting up a card."""

    status = serializers.CharField()
    setup_intent = serializers.CharField()
    client_secret = serializers.CharField(
        help_text="For Stripe.js in the user's own browser; do not log it."
    )
    publishable_key = serializers.CharField(help_text="Identifies the Stripe account to Stripe.js.")


class InvoiceBody(serializers.Serializer[Any]):
    """One invoice, with links to Stripe's page and PDF."""

    id_reference = serializers.CharField()
    number = serializers.CharField()
    status = serializers.CharField()
    created = serializers.DateTimeField()
    currency = serializers.CharField()
    amount_due = serializers.IntegerField()
    amount_paid = serializers.IntegerField()
    hosted_invoice_url = serializers.CharField()
    invoice_pdf = serializers.CharField()


class InvoicesBody(serializers.Serializer[Any]):
    """A page of invoices, newest first; `next` goes into `after` of the next call."""

    results = InvoiceBody(many=True)
    next = serializers.CharField(allow_null=True)


class InvoicesQuery(StrictQuery):
    """Which page of invoices."""

    limit = serializers.IntegerField(default=10, min_value=1, max_value=100)
    after = serializers.RegexField(r"^in_[A-Za-z0-9_]{1,250}$", required=False)


class HostedPageBody(serializers.Serializer[Any]):
    """The URL of one of Stripe's pages; send the user's browser there."""

    url = serializers.CharField()


class CheckoutRequest(StrictBody):
    """What to subscribe to on Stripe's page, and where it leads afterwards."""

    subscription_product = serializers.SlugField(max_length=64)
    success_path = serializers.RegexField(_PATH, required=False)
    cancel_path = serializers.RegexField(_PATH, required=False)


class PortalRequest(StrictBody):
    """Where Stripe's page leads back to."""

    return_path = serializers.RegexField(_PATH, required=False)

"""Responses of the endpoints."""

from typing import Any

from rest_framework import serializers


class NextAction(serializers.Serializer[Any]):
    """What the user can do now; `type` says what, and the other members how."""

    type = serializers.ChoiceField(
        choices=[
            ("authenticate", "complete 3-D Secure, with the secret or on the page"),
            ("pay_invoice", "pay on the page, or with another card (payment-method)"),
            ("subscribe_again", "nothing is left to be paid: cancel now, then subscribe"),
            ("add_card", "it is paused: add a card (payment-method), then resume"),
            ("resume", "it is paused: resume it, which charges the card"),
            ("resolve_dispute", "ask the bank to withdraw the dispute, or wait for its decision"),
            ("wait", "the outcome of a payment is not known yet"),
        ]
    )
    client_secret = serializers.CharField(
        allow_null=True,
        help_text="For Stripe.js in the user's own browser; do not log it. In the answers to "
        "`subscribe`, `change` and `next-action`; null in all others.",
    )
    hosted_invoice_url = serializers.URLField(allow_null=True)


class NextActionBody(serializers.Serializer[Any]):
    """What completes a payment, if one waits for its user."""

    next_action = NextAction(allow_null=True)


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
    collection_paused = serializers.BooleanField(
        help_text="Staff paused the payments; the subscription goes on meanwhile."
    )
    next_action = NextAction(allow_null=True)


class ProductBody(serializers.Serializer[Any]):
    """A product on sale."""

    name = serializers.CharField()
    title = serializers.CharField()
    price_reference = serializers.CharField()
    unit_amount = serializers.IntegerField(
        allow_null=True, help_text="In the currency's smallest unit; null for a fraction of it."
    )
    unit_amount_decimal = serializers.DecimalField(
        max_digits=24,
        decimal_places=12,
        normalize_output=True,
        allow_null=True,
        help_text="The same with fractions, as text.",
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


class HostedPageBody(serializers.Serializer[Any]):
    """The URL of one of Stripe's pages; send the user's browser there."""

    url = serializers.CharField()

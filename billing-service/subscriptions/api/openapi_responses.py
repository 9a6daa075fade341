"""Documented refusals and examples of the OpenAPI document, all of them real responses."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from subscriptions.api.serializers import ErrorBody

IDEMPOTENCY_KEY = OpenApiParameter(
    name="Idempotency-Key",
    location=OpenApiParameter.HEADER,
    required=False,
    type=str,
    description="Makes it safe to repeat the call: with the same key and body, it subscribes or "
    "charges a card once. A refusal is repeated as it was; after a success the response shows the "
    "current state of the subscription.",
)

_REFUSALS: dict[int, tuple[str, dict[str, Any]]] = {
    400: (
        "The card was declined, or the request is invalid",
        {
            "detail": "Your card was declined.",
            "code": "card_declined",
            "decline_code": "generic_decline",
        },
    ),
    401: (
        "The access token is missing, invalid, expired or revoked",
        {"detail": "The token is invalid, expired or revoked.", "code": "token_not_valid"},
    ),
    404: (
        "No subscription",
        {"detail": "You have no subscription.", "code": "no_subscription"},
    ),
    409: (
        "Not possible in the current state",
        {"detail": "You already have a subscription.", "code": "already_subscribed"},
    ),
    422: (
        "The Idempotency-Key was used for a different request",
        {
            "detail": "This Idempotency-Key was used for a different request.",
            "code": "idempotency_key_reused",
        },
    ),
    429: (
        "Too many refused cards; see Retry-After",
        {
            "detail": "Too many cards were refused. Try again later.",
            "code": "too_many_card_failures",
        },
    ),
    503: (
        "Stripe or auth-service cannot be reached; see Retry-After",
        {
            "detail": "The payment gateway cannot be reached. Try again shortly.",
            "code": "payment_gateway_unavailable",
        },
    ),
}

_STATUS = {
    "status": "successful",
    "payment_gateway_status": "active",
    "current_period_start": "2026-10-04T14:31:51Z",
    "current_period_end": "2026-11-04T14:31:51Z",
    "id_reference": "sub_1S9x2aKBAHswNGjY",
    "price_reference": "price_sandbox_basic",
    "purchase_date": "2026-10-04",
    "access_until": "2026-11-04T14:31:51Z",
    "cancel_at_period_end": False,
    "ends_at": None,
    "collection_paused": False,
    "next_action": None,
}

_AUTHENTICATE: dict[str, Any] = {
    **_STATUS,
    "status": "failed",
    "payment_gateway_status": "incomplete",
    "access_until": None,
    "next_action": {
        "type": "authenticate",
        "client_secret": "pi_3S9x2aKBAHswNGjY_secret_kM2",
        "hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/test_YWNjdF8x",
    },
}


def _answer(name: str, value: Any, *, status: int = 200) -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)])


SUBSCRIBE = [
    OpenApiExample(
        "A test card",
        value={
            "subscription_product": "basic_subscription",
            "card_number": "4242424242424242",
            "card_expiration_month": 12,
            "card_expiration_year": 2030,
            "card_cvc": 999,
        },
        request_only=True,
    ),
    OpenApiExample(
        "A payment method",
        value={
            "subscription_product": "pro_subscription",
            "payment_method": "pm_card_mastercard",
        },
        request_only=True,
    ),
    OpenApiExample(
        "A free product",
        value={"subscription_product": "free_subscription"},
        request_only=True,
    ),
    _answer("Paid", _STATUS),
    _answer("3-D Secure is required", _AUTHENTICATE),
]
_WITHOUT_SECRET = {
    **_AUTHENTICATE,
    "next_action": {**_AUTHENTICATE["next_action"], "client_secret": None},
}
STATUS = [_answer("Paid", _STATUS), _answer("3-D Secure is required", _WITHOUT_SECRET)]
NEXT_ACTION = [
    _answer("3-D Secure is required", {"next_action": _AUTHENTICATE["next_action"]}),
    _answer("Nothing to do", {"next_action": None}),
]
ENTITLEMENTS = [
    _answer(
        "A subscriber",
        {"products": ["basic_subscription"], "access_until": "2026-11-04T14:31:51Z"},
    )
]
PRODUCTS = [
    _answer(
        "On sale",
        {
            "name": "basic_subscription",
            "title": "Basic",
            "price_reference": "price_sandbox_basic",
            "unit_amount": 1000,
            "unit_amount_decimal": "1000",
            "currency": "usd",
            "interval": "month",
            "interval_count": 1,
        },
    )
]

CANCEL = [
    OpenApiExample("With the paid period", value={"at_period_end": True}, request_only=True),
    _answer(
        "Ends with the paid period",
        {**_STATUS, "cancel_at_period_end": True, "ends_at": _STATUS["current_period_end"]},
    ),
]
CHANGE = [
    OpenApiExample(
        "To the more expensive product",
        value={"subscription_product": "pro_subscription"},
        request_only=True,
    ),
    _answer("Changed", {**_STATUS, "price_reference": "price_sandbox_pro"}),
    _answer(
        "3-D Secure is required first", {**_STATUS, "next_action": _AUTHENTICATE["next_action"]}
    ),
]
PREVIEW = [
    CHANGE[0],
    _answer(
        "To the more expensive product",
        {
            "subscription_product": "pro_subscription",
            "due_now": {"amount": 750, "currency": "usd"},
            "next_invoice": {"amount": 2500, "currency": "usd"},
            "next_invoice_at": "2026-11-04T14:31:51Z",
            "lines": [
                {"description": "Unused time on Basic after 19 Oct 2026", "amount": -500},
                {"description": "Remaining time on Pro after 19 Oct 2026", "amount": 1250},
            ],
        },
    ),
]
_SETUP = {
    "status": "succeeded",
    "setup_intent": "seti_1S9x2aKBAHswNGjY",
    "client_secret": "seti_1S9x2aKBAHswNGjY_secret_T7p",
    "publishable_key": "pk_test_sandbox",
}
PAYMENT_METHOD = [
    OpenApiExample(
        "A payment method", value={"payment_method": "pm_card_mastercard"}, request_only=True
    ),
    _answer("Done", _SETUP),
    _answer("3-D Secure is required", {**_SETUP, "status": "requires_action"}),
]
SETUP_INTENT = [_answer("Ready", {**_SETUP, "status": "requires_payment_method"})]
INVOICES = [
    _answer(
        "One paid invoice",
        {
            "results": [
                {
                    "id_reference": "in_1S9x2aKBAHswNGjY",
                    "number": "BILL-0001",
                    "status": "paid",
                    "created": "2026-10-04T14:31:51Z",
                    "currency": "usd",
                    "amount_due": 1000,
                    "amount_paid": 1000,
                    "hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/test_YWNjdF8x",
                    "invoice_pdf": "https://pay.stripe.com/invoice/acct_1/test_YWNjdF8x/pdf",
                }
            ],
            "next": None,
        },
    )
]
CHECKOUT = [
    OpenApiExample(
        "Basic", value={"subscription_product": "basic_subscription"}, request_only=True
    ),
    _answer("Ready", {"url": "https://checkout.stripe.com/c/pay/cs_test_a1"}),
]
PORTAL = [
    OpenApiExample("Back to the documentation", value={}, request_only=True),
    _answer("Ready", {"url": "https://billing.stripe.com/p/session/test_a1"}),
]


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """Describe the refusals an operation can answer with, each with an example.

    Args:
        statuses: HTTP status codes.
    """
    return {
        status: OpenApiResponse(
            ErrorBody,
            description=_REFUSALS[status][0],
            examples=[_answer(_REFUSALS[status][1]["code"], _REFUSALS[status][1], status=status)],
        )
        for status in statuses
    }

"""Refusals about customers, cards and subscriptions."""

from typing import Any

from errors import BillingError, Unavailable


class PaymentGatewayUnavailable(Unavailable):
    """Stripe did not answer, or asked us to come back later."""

    code = "payment_gateway_unavailable"


class ReplayedFailure(PaymentGatewayUnavailable):
    """Stripe replays a failure that it stored under the key, so the outcome stays unknown."""


class PaymentGatewayBusy(PaymentGatewayUnavailable):
    """Stripe limits how often we may ask (HTTP 429)."""

    code = "payment_gateway_rate_limited"


class KeyRefused(PaymentGatewayUnavailable):
    """Stripe does not accept STRIPE_API_SECRET (HTTP 401); an operator has to replace it."""

    code = "payment_gateway_key_refused"


class PermissionMissing(PaymentGatewayUnavailable):
    """STRIPE_API_SECRET is a restricted key without a permission that the call needs (HTTP 403).

    Args:
        permission: Its name as Stripe tells it, such as `rak_customer_read`; empty if it does not.
    """

    code = "payment_gateway_permission_missing"

    def __init__(self, detail: str, *, permission: str) -> None:
        super().__init__(detail)
        self.permission = permission


class WrongStripeAccount(PaymentGatewayUnavailable):
    """STRIPE_API_SECRET belongs to another account than the one the database was filled from.

    Args:
        explanation: For operators: both accounts, and the command that moves on purpose. It is
            what `str()` returns; callers read the detail alone.
    """

    code = "stripe_account_mismatch"

    def __init__(self, explanation: str) -> None:
        super().__init__("Payments are not available: the service is set up for another account.")
        self.args = (explanation,)


class CustomerNotVisible(PaymentGatewayUnavailable):
    """Our key does not reach a customer we know; that proves nothing about the customer."""

    code = "customer_not_visible"


class CustomerDeletedAtStripe(Exception):
    """Stripe says of a customer that it was deleted."""


class PaymentGatewayRefused(BillingError):
    """Stripe rejected a request as wrong: our configuration or our code is at fault."""

    code, status = "payment_gateway_refused", 502


class AddressRequired(PaymentGatewayRefused):
    """Tax is computed from the customer's address, and Stripe has none that it understands.

    Nothing was charged or changed.
    """

    code, status = "address_required", 409

    def __init__(self) -> None:
        super().__init__(
            "Your address is needed to compute tax. Enter it on the page that "
            "/api/subscriptions/portal-session opens, then try again."
        )


class StripeObjectNotFound(BillingError):
    """Stripe does not know an object that was named; `param` says which one."""

    code, status = "not_found_at_stripe", 404

    def __init__(self, detail: str, *, param: str) -> None:
        super().__init__(detail)
        self.param = param


class IdempotencyMismatch(BillingError):
    """A key was sent before with other parameters, so its outcome cannot be asked for again."""

    code, status = "attempt_expired", 409


class CardDeclined(BillingError):
    """The card's bank, or Stripe, refused the card."""

    code, status = "card_declined", 400

    def __init__(self, detail: str, *, decline_code: str, fingerprint: str = "") -> None:
        """Keep Stripe's sentence and code.

        Args:
            detail: Stripe's sentence, made for customers.
            decline_code: The bank's reason, or Stripe's error code where it gave none.
            fingerprint: Stripe's fingerprint of the card, if it sent one.
        """
        super().__init__(detail, decline_code=decline_code)
        self.fingerprint = fingerprint


class PaymentMethodRefused(BillingError):
    """The payment method does not exist or belongs to another customer."""

    code, status = "payment_method_refused", 400


class RawCardRefused(BillingError):
    """A card number that is not one of Stripe's published test numbers."""

    code, status = "raw_card_refused", 400

    def __init__(self) -> None:
        super().__init__(
            "Card numbers are not accepted here. Send payment_method, or collect the card with "
            "/api/subscriptions/setup-intent or /api/subscriptions/checkout-session."
        )


class UnknownProduct(BillingError):
    """No product of that name is on sale."""

    code, status = "unknown_product", 400


class AlreadySubscribed(BillingError):
    """The user has a live subscription."""

    code, status = "already_subscribed", 409

    def __init__(self, detail: str = "You already have a subscription.") -> None:
        super().__init__(detail)


class PaymentDisputed(AlreadySubscribed):
    """The user has a live subscription, without access while a dispute about it is open."""

    code = "payment_disputed"

    def __init__(self) -> None:
        super().__init__(
            "A payment for your subscription is disputed. Ask your bank to withdraw the dispute, "
            "or wait for its decision."
        )


class SubscriptionPaused(AlreadySubscribed):
    """The user has a subscription that is paused at Stripe."""

    code = "subscription_paused"

    def __init__(self) -> None:
        super().__init__("Your subscription is paused. Resume it, or cancel it first.")


class AttemptInProgress(BillingError):
    """Another request of the same user is in progress."""

    code, status = "attempt_in_progress", 409

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "Your previous request is still in progress.",
            headers={"Retry-After": str(max(1, retry_after_seconds))},
        )


class PaymentUnderWay(BillingError):
    """The bank is processing an earlier payment, which cannot be withdrawn."""

    code, status = "payment_under_way", 409

    def __init__(self) -> None:
        super().__init__(
            "An earlier payment of yours is being processed. Check the status in a minute.",
            headers={"Retry-After": "60"},
        )


class IdempotencyKeyReused(BillingError):
    """The Idempotency-Key header was sent before with another body."""

    code, status = "idempotency_key_reused", 422

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for a different request.")


class TooManyCardFailures(BillingError):
    """Too many declined cards; slows down card testing."""

    code, status = "too_many_card_failures", 429

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many cards were refused. Try again later.",
            headers={"Retry-After": str(max(1, retry_after_seconds))},
        )


class TooManySetupIntents(BillingError):
    """Too many setup intents: each lets a browser try cards past this service."""

    code, status = "too_many_setup_intents", 429

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "You have started to add a card too often. Try again later.",
            headers={"Retry-After": str(max(1, retry_after_seconds))},
        )


class TooManyRequests(BillingError):
    """The user makes a call more often than it is meant for."""

    code, status = "too_many_requests", 429

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many requests. Try again later.",
            headers={"Retry-After": str(max(1, retry_after_seconds))},
        )


class NoSubscription(BillingError):
    """The user never had a subscription, or has none that the call applies to."""

    code, status = "no_subscription", 404

    def __init__(self, detail: str = "You have no subscription.") -> None:
        super().__init__(detail)


class WrongState(BillingError):
    """The subscription is not in a state that allows the call."""

    code, status = "wrong_state", 409


class LinkRefused(BillingError):
    """A customer at Stripe cannot be linked to a user."""

    code, status = "link_refused", 409


class NotOurCustomer(BillingError):
    """A customer cannot be deleted at Stripe, since another application has it or bills it."""

    code, status = "not_our_customer", 409


class CollectionPaused(WrongState):
    """Staff paused the collection of a subscription's invoices (`pause_collection`)."""

    code = "collection_paused"

    def __init__(self) -> None:
        super().__init__("Payments for your subscription are paused, so it cannot be changed now.")


class PaymentMethodRequired(WrongState):
    """No card could be charged."""

    code = "payment_method_required"

    def __init__(self) -> None:
        super().__init__("Add a card first, with /api/subscriptions/payment-method.")


class SubscriptionEnded(WrongState):
    """The subscription has ended, possibly a moment ago at Stripe."""

    def __init__(self) -> None:
        super().__init__("The subscription has ended.")


def refusal_as_json(error: BillingError) -> dict[str, Any]:
    """Return a refusal as JSON, so that the same response can be sent again."""
    return {
        "detail": error.detail,
        "code": error.code,
        "status": error.status,
        "members": error.members,
    }


class RepeatedRefusal(BillingError):
    """A stored refusal, sent again for the same Idempotency-Key."""

    code, status = "repeated_refusal", 400

    def __init__(self, kept: dict[str, Any]) -> None:
        super().__init__(kept["detail"], headers={"Idempotent-Replayed": "true"}, **kept["members"])
        self.code = kept["code"]  # type: ignore[misc]  # the class stands for every kept refusal
        self.status = kept["status"]  # type: ignore[misc]

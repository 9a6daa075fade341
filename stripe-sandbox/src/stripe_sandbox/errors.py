"""The refusals of the API, in the shape and with the codes Stripe uses.

Source: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
"""

from typing import Any

DOCS = "https://stripe.com/docs/error-codes"

# The key in an ASGI scope under which a fault in force has the API refuse a request.
REFUSAL = "sandbox.refusal"


class StripeError(Exception):
    """A refusal that a caller sees as an `error` object.

    Attributes:
        keeps_work: Whether what was written before the refusal stays. A
            declined payment leaves its intent and charge behind.
        saved: Whether an idempotency key replays this refusal. Stripe saves a
            result only once the endpoint began to execute.
    """

    status = 400
    type = "invalid_request_error"
    keeps_work = False
    saved = True

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            error |= {"code": self.code, "doc_url": f"{DOCS}/{self.code.replace('_', '-')}"}
        if self.param:
            error["param"] = self.param
        return {"error": error | self.extra}


class InvalidRequest(StripeError):
    """The request makes no sense for the state it meets."""


class InvalidParameter(StripeError):
    """A parameter is unknown, missing or ill-typed; the endpoint never ran."""

    saved = False


class ResourceMissing(StripeError):
    """No object has the id that was given."""

    def __init__(self, noun: str, identifier: str, *, param: str, status: int = 404) -> None:
        super().__init__(f"No such {noun}: '{identifier}'", code="resource_missing", param=param)
        self.status = status


class UnknownRoute(StripeError):
    """The URL is none of Stripe's."""

    status = 404
    saved = False


class Unauthenticated(StripeError):
    """The API key is missing, malformed or a live one."""

    status = 401
    saved = False


class PermissionDenied(StripeError):
    """A restricted key lacks the permission for this call."""

    status = 403
    saved = False


class RawCardRefused(StripeError):
    """An account without access to raw card data sent a card number."""

    status = 402


class CardError(StripeError):
    """The card cannot be charged or attached."""

    status = 402
    type = "card_error"
    keeps_work = True


class IdempotencyMismatch(StripeError):
    """An idempotency key came back with another request."""

    type = "idempotency_error"
    saved = False


class IdempotencyKeyInUse(StripeError):
    """The first request with this idempotency key has not been answered yet."""

    status = 409
    type = "idempotency_error"
    saved = False


class NotCovered(StripeError):
    """Stripe has this; the sandbox does not, and says so instead of guessing."""

    status = 501
    type = "api_error"
    saved = False

    def __init__(self, what: str, *, param: str | None = None) -> None:
        super().__init__(
            f"The sandbox does not cover {what}. `stripe-sandbox coverage` lists what it covers.",
            code="sandbox_not_covered",
            param=param,
        )

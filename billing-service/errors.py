"""The refusals of this service: one family, in which `code` and `status` are part of the API."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.http import JsonResponse


class BillingError(Exception):
    """A refusal the caller can act on; anything else is a bug and a 500.

    `code` is part of the API: clients branch on it, so never rename one.

    Args:
        detail: One sentence for people, without secrets and without the caller's input. Without
            one, the class's own.
        headers: Extra headers of the response, such as Retry-After.
        members: Extra members of the JSON body, such as `decline_code`.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    sentence: ClassVar[str] = "The request was refused."

    def __init__(
        self, detail: str | None = None, *, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        self.detail = detail or self.sentence
        super().__init__(self.detail)
        self.headers = headers or {}
        self.members = members


class ValidationFailed(BillingError):
    """Some of the request's fields cannot be accepted.

    Args:
        errors: Sentences by name of the field or header.
    """

    code, status = "validation_error", 400
    sentence = "Some fields are missing or invalid."

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__(errors=errors)


class MalformedBody(BillingError):
    """The body is not one JSON object with distinct names (RFC 8259 section 4)."""

    code, status = "malformed_body", 400
    sentence = "Send one JSON object without duplicate names, as application/json in UTF-8."


class BodyTooLarge(BillingError):
    """The body is longer than any request of this API needs."""

    code, status = "body_too_large", 413
    sentence = "The request body is too large."


class NotFound(BillingError):
    """No view has this path."""

    code, status = "not_found", 404
    sentence = "There is nothing at this address."


class MethodNotAllowed(BillingError):
    """The path exists, but not for this HTTP method."""

    code, status = "method_not_allowed", 405
    sentence = "This address does not support that method."


class Unavailable(BillingError):
    """Something we depend on cannot be reached; the same request may succeed a little later.

    Args:
        detail: As for `BillingError`.
        retry_after_seconds: For the Retry-After header (RFC 9110 section 10.2.3).
        members: As for `BillingError`.
    """

    code, status = "unavailable", 503
    sentence = "The service is temporarily unavailable. Try again in a few seconds."

    def __init__(
        self, detail: str | None = None, *, retry_after_seconds: int = 5, **members: Any
    ) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)}, **members)


class InternalError(BillingError):
    """A bug of ours; its traceback is in the log."""

    code, status = "internal_error", 500
    sentence = "Something went wrong on our side."


def to_response(error: BillingError) -> JsonResponse:
    """Turn a refusal into the JSON that every error has."""
    body = {"detail": error.detail, "code": error.code, **error.members}
    return JsonResponse(body, status=error.status, headers=error.headers)

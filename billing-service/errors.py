"""The one family of refusals, and how it looks on the wire."""

from typing import Any, ClassVar

from django.http import JsonResponse


class BillingError(Exception):
    """A refusal the caller can act on; anything else is a bug and a 500.

    `code` is part of the API: clients branch on it, so never rename one.
    """

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(
        self, detail: str, *, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        """Keep what the answer will say.

        Args:
            detail: One sentence for a human; never a secret, never what the caller typed.
            headers: Extra headers of the answer, such as Retry-After.
            members: Extra members of the JSON body, such as `decline_code`.
        """
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.members = members


class ValidationFailed(BillingError):
    """The request's fields are wrong; `errors` holds the sentences by field."""

    code, status = "validation_error", 400


class Unavailable(BillingError):
    """Something we depend on is away; the same request may succeed a little later."""

    code, status = "unavailable", 503

    def __init__(self, detail: str, *, retry_after_seconds: int = 5, **members: Any) -> None:
        """Keep the sentence and when to come back (RFC 9110 section 10.2.3)."""
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)}, **members)


def to_response(error: BillingError) -> JsonResponse:
    """Turn a refusal into the one JSON shape every error has."""
    body = {"detail": error.detail, "code": error.code, **error.members}
    return JsonResponse(body, status=error.status, headers=error.headers)

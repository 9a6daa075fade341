"""The refusals of this service: one family, in which `code` and `status` are part of the API."""

from collections.abc import Mapping, Sequence


class AuthError(Exception):
    """A refusal the caller can act on; anything else is a bug and a 500.

    `code` is part of the API: clients branch on it, so never rename one.

    Args:
        detail: One sentence for the caller, without a secret.
        retry_after_seconds: When trying again makes sense: `Retry-After` (RFC 9110 §10.2.3).
    """

    code: str
    status: int
    detail: str = "The request was refused."

    def __init__(
        self, detail: str | None = None, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.retry_after_seconds = retry_after_seconds


class Unauthenticated(AuthError):
    """A 401; `challenge` is the `error` of its WWW-Authenticate header (RFC 6750 §3)."""

    status = 401
    challenge: str | None = "invalid_token"


class InvalidCredentials(Unauthenticated):
    """Unknown name, wrong password or inactive account: deliberately one and the same answer."""

    code, challenge = "invalid_credentials", "invalid_grant"
    detail = "The username or the password is wrong, or the account is not active."


class NotAuthenticated(Unauthenticated):
    """No credentials at all, which RFC 6750 §3.1 answers without an error code."""

    code, challenge = "not_authenticated", None
    detail = "Send an access token in the Authorization header."


class InvalidToken(Unauthenticated):
    """A token that is not ours, not of this kind, expired or revoked."""

    code = "token_not_valid"
    detail = "The token is invalid, expired or revoked."


class InvalidClient(Unauthenticated):
    """Wrong client credentials; the challenge is Basic, which clients use (RFC 6749 §5.2)."""

    code = "invalid_client"
    detail = "The client credentials are wrong."


class ValidationFailed(AuthError):
    """Fields that cannot be accepted.

    Args:
        errors: Sentences for people, by field.
        error_codes: The same refusals as stable words, by field.
    """

    code, status = "validation_error", 400
    detail = "Some fields are missing or not acceptable."

    def __init__(
        self,
        errors: Mapping[str, Sequence[str]],
        *,
        error_codes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.errors = errors
        self.error_codes = error_codes or {}


class MalformedBody(AuthError):
    """A body that is not one well-formed JSON object with distinct names (RFC 8259 §4)."""

    code, status = "malformed_body", 400
    detail = "Send one JSON object without duplicate names, as application/json in UTF-8."


class BodyTooLarge(AuthError):
    """More than any request of this API needs."""

    code, status = "body_too_large", 413
    detail = "The body is larger than 8 KiB."


class WrongPassword(AuthError):
    """The caller is known, but the current password does not match."""

    code, status = "wrong_password", 403
    detail = "The current password is wrong."


class SuperuserRequired(AuthError):
    """A staff member reaches for something that superusers alone may do."""

    code, status = "superuser_required", 403
    detail = "Only a superuser may do this."


class UserNotFound(AuthError):
    """No account with this id, or it was deleted."""

    code, status = "user_not_found", 404
    detail = "There is no such user."


class UsernameTaken(AuthError):
    """Another account has this name, upper and lower case alike."""

    code, status = "username_taken", 409
    detail = "This username is taken."


class LastSuperuser(AuthError):
    """Nobody would be left who can grant rights."""

    code, status = "last_superuser", 409
    detail = "This is the last active superuser."


class SelfDemotion(AuthError):
    """An account may not take its own rights away: it would be a mistake more often than not."""

    code, status = "self_demotion", 409
    detail = "You cannot take away your own rights."


class IdempotencyKeyReused(AuthError):
    """The key was used for another request; repeating it would hide a bug of the caller."""

    code, status = "idempotency_key_reused", 409
    detail = "This Idempotency-Key was used for a different request."


class VersionConflict(AuthError):
    """The account changed since the caller read it (RFC 9110 §13.1.1)."""

    code, status = "version_conflict", 412
    detail = "The user was changed meanwhile: read it again."


class PreconditionRequired(AuthError):
    """A change without If-Match could overwrite one that the caller never saw (RFC 6585 §3)."""

    code, status = "precondition_required", 428
    detail = 'Send the version you read as If-Match: "<version>".'


class TooManyAttempts(AuthError):
    """Log-ins are throttled; the right password gets the same answer (RFC 6585 §4)."""

    code, status = "too_many_attempts", 429
    detail = "Too many failed attempts: try again later."


class Overloaded(AuthError):
    """All that may wait is waiting already; the caller loses nothing by trying again."""

    code, status = "overloaded", 503
    detail = "The service is busy: try again in a moment."


class Unavailable(AuthError):
    """The database or the signing keys cannot be reached just now."""

    code, status = "unavailable", 503
    detail = "The service is temporarily unavailable."

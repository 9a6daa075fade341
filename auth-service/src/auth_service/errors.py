"""The refusals of this service: one family, whose `code` and `status` are part of the API."""

from collections.abc import Mapping, Sequence


class AuthError(Exception):
    """A refusal that the caller can act on; any other exception is a bug and a 500.

    The class docstring is the summary of the refusal in the OpenAPI document. `code` is part of
    the API: clients branch on it, so never rename one.

    Args:
        detail: One sentence for the caller, without a secret.
        retry_after_seconds: Sent as `Retry-After` (RFC 9110 §10.2.3).
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
    """Unknown username, wrong password or inactive account; all three get this same answer."""

    code, challenge = "invalid_credentials", "invalid_grant"
    detail = "The username or password is wrong, or the account is inactive."


class SecondFactorRequired(Unauthenticated):
    """The password is right; the account needs its second factor as well (RFC 9470 §3).

    Args:
        challenge: Sent to `POST /api/token/second-factor` with a code.
        expires_in: Seconds until the challenge ends.
    """

    code, challenge = "second_factor_required", "insufficient_user_authentication"
    detail = "Send the challenge and a code to POST /api/token/second-factor."

    def __init__(self, second_factor_challenge: str, *, expires_in: int) -> None:
        super().__init__()
        self.second_factor_challenge = second_factor_challenge
        self.expires_in = expires_in


class ChallengeNotValid(Unauthenticated):
    """The challenge is unknown, expired or used up, or the account has changed since."""

    code, challenge = "challenge_not_valid", "invalid_grant"
    detail = "The challenge is invalid, expired or used up. Log in again."


class NotAuthenticated(Unauthenticated):
    """No access token was sent."""

    # RFC 6750 §3.1: a request without credentials gets a challenge without an error code.
    code, challenge = "not_authenticated", None
    detail = "Send an access token in the Authorization header."


class InvalidToken(Unauthenticated):
    """The token was not issued by us or for this use, has expired or was revoked."""

    code = "token_not_valid"
    detail = "The token is invalid, expired or revoked."


class InvalidClient(Unauthenticated):
    """The client's id or secret is wrong (RFC 6749 §5.2)."""

    code = "invalid_client"
    detail = "The client id or secret is wrong."


class ValidationFailed(AuthError):
    """A field is missing or its value is invalid.

    Args:
        errors: Sentences for people, by field.
        error_codes: The same refusals as stable codes, by field.
    """

    code, status = "validation_error", 400
    detail = "Some fields are missing or invalid."

    def __init__(
        self,
        errors: Mapping[str, Sequence[str]],
        *,
        error_codes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.errors = errors
        self.error_codes = error_codes or {}


class UsernameConfusable(ValidationFailed):
    """People would take the username for another one (UTS 39); names in use stay."""

    code = "username_confusable"
    detail = "This username can be taken for another one. Choose another name."

    def __init__(
        self, sentence: str = "Choose a name that does not look like another user's"
    ) -> None:
        super().__init__({"username": [sentence]})


class InvalidAudience(ValidationFailed):
    """`audience` names a service that the token cannot be for (RFC 8707 §2, `invalid_target`)."""

    code = "invalid_audience"
    detail = "The token cannot be for every service in audience."

    def __init__(self) -> None:
        super().__init__({"audience": ["Name services of this session only"]})


class MalformedBody(AuthError):
    """The body is not one JSON object with distinct names (RFC 8259 §4)."""

    code, status = "malformed_body", 400
    detail = "Send one JSON object without duplicate names, as application/json in UTF-8."


class OneTimeTokenNotValid(AuthError):
    """The token of a link was never issued, was used, has expired or was replaced."""

    code, status = "one_time_token_not_valid", 400
    detail = "This link has expired or was already used. Ask for a new one."


class BodyTooLarge(AuthError):
    """The body is larger than any request of this API needs: 8 KiB."""

    code, status = "body_too_large", 413
    detail = "The request body is too large."


class WrongPassword(AuthError):
    """The access token is good, but the current password does not match."""

    code, status = "wrong_password", 403
    detail = "The current password is wrong."


class WrongCode(AuthError):
    """The code or recovery code is wrong, has expired or was used before."""

    code, status = "wrong_code", 403
    detail = "The code is wrong, has expired or was used before."


class SecondFactorLocked(AuthError):
    """A hundred codes in a row were wrong; recovery codes are still accepted."""

    code, status = "second_factor_locked", 403
    detail = "Too many wrong codes. Use a recovery code, or ask support to reset the second factor."


class CrossSiteRequest(AuthError):
    """The refresh cookie was asked for or sent by a page that is not in ALLOWED_ORIGINS."""

    code, status = "cross_site_request", 403
    detail = "Only pages of this site and of ALLOWED_ORIGINS may use the refresh cookie."


class SignUpClosed(AuthError):
    """Accounts are created by staff, or by invitation alone (`SIGNUP`)."""

    code, status = "sign_up_closed", 403
    detail = "Sign-up is not open here. Ask an administrator for an account."


class MailNotConfigured(AuthError):
    """This installation sends no mail, because `SMTP_URL` is not set."""

    code, status = "mail_not_configured", 403
    detail = "This service sends no mail. Ask an administrator."


class SuperuserRequired(AuthError):
    """The acting user is not an active superuser."""

    code, status = "superuser_required", 403
    detail = "Only a superuser can do this."


class NotFound(AuthError):
    """No endpoint has this path."""

    code, status = "not_found", 404
    detail = "There is nothing at this address."


class UserNotFound(AuthError):
    """No account has this id, or it was deleted."""

    code, status = "user_not_found", 404
    detail = "There is no user with this id."


class SessionNotFound(AuthError):
    """The caller has no live session with this id."""

    code, status = "session_not_found", 404
    detail = "You have no session with this id. It may have ended already."


class MethodNotAllowed(AuthError):
    """The endpoint exists, but not for this method."""

    code, status = "method_not_allowed", 405
    detail = "This address does not support that method."


class UsernameTaken(AuthError):
    """Another account has this username, in upper or lower case."""

    code, status = "username_taken", 409
    detail = "This username is already taken."


class EmailTaken(AuthError):
    """Another account has verified this e-mail address."""

    code, status = "email_taken", 409
    detail = "Another account has this e-mail address."


class LastSuperuser(AuthError):
    """The change would leave no active superuser, and so no one who can grant rights."""

    code, status = "last_superuser", 409
    detail = "This is the last active superuser. Make another user a superuser first."


class SecondFactorActive(AuthError):
    """The account has a second factor; a new one needs the old one disabled first."""

    code, status = "second_factor_active", 409
    detail = "A second factor is active. Disable it first."


class SecondFactorNotActive(AuthError):
    """The account has no second factor."""

    code, status = "second_factor_not_active", 409
    detail = "No second factor is active."


class EnrolmentNotStarted(AuthError):
    """There is no secret to confirm."""

    code, status = "enrolment_not_started", 409
    detail = "Start the enrolment first."


class SelfDemotion(AuthError):
    """Users cannot deactivate or delete themselves or remove their own rights."""

    code, status = "self_demotion", 409
    detail = "You cannot remove your own rights. Ask another superuser."


class VersionConflict(AuthError):
    """The account changed after the caller read it (RFC 9110 §13.1.1)."""

    code, status = "version_conflict", 412
    detail = "The user has changed since you read it. Read it again, then repeat your change."


class IdempotencyKeyReused(AuthError):
    """The Idempotency-Key belongs to a request with another body."""

    code, status = "idempotency_key_reused", 422
    detail = "This Idempotency-Key was used for a different request."


class PreconditionRequired(AuthError):
    """If-Match is missing; without it a change could overwrite another one (RFC 6585 §3)."""

    code, status = "precondition_required", 428
    detail = 'Send the version you read in the If-Match header: If-Match: "<version>".'


class TooManyAttempts(AuthError):
    """Too many log-ins failed, or wait at once; the right password gets this answer too."""

    code, status = "too_many_attempts", 429
    detail = "Too many failed log-ins. Try again later."


class TooManyRequests(AuthError):
    """Too many mails were asked for, from one network or for one address (RFC 6585 §4)."""

    code, status = "too_many_requests", 429
    detail = "Too many requests. Try again later."


class InternalError(AuthError):
    """A bug; the log has its traceback under the request id."""

    code, status = "internal_error", 500
    detail = "Something went wrong on our side."


class Overloaded(AuthError):
    """The queue for password hashing is full, or the wait in it was too long."""

    code, status = "overloaded", 503
    detail = "The service is busy. Try again in a few seconds."


class Unavailable(AuthError):
    """The database or the signing keys cannot be reached."""

    code, status = "unavailable", 503
    detail = "The service is temporarily unavailable. Try again in a few seconds."

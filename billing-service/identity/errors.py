"""Why an access token is refused."""

from errors import BillingError, Unavailable

CHALLENGE = 'Bearer realm="api"'


class NotAuthenticated(BillingError):
    """There is no access token, which RFC 6750 section 3.1 answers without an error code."""

    code, status = "not_authenticated", 401
    sentence = "Send an access token in the Authorization header."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": CHALLENGE})


class InvalidAccessToken(BillingError):
    """The token is not ours, not for this service, expired or revoked (RFC 6750 section 3.1).

    Args:
        reason: Two or three fixed words for the log and the metric, never a part of the token and
            never sent to the caller.
    """

    code, status = "token_not_valid", 401
    sentence = "The token is invalid, expired or revoked."

    def __init__(self, reason: str) -> None:
        super().__init__(headers={"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'})
        self.reason = reason


class KeysUnavailable(Unavailable):
    """auth-service's keys are missing or too old to decide.

    503 and not 401: a client that gets 401 logs its user out.
    """

    code = "keys_unavailable"
    sentence = "The token cannot be checked right now. Try again in a few seconds."

"""Why a caller is not let in."""

from errors import BillingError, Unavailable

_REALM = 'Bearer realm="api"'


class NotAuthenticated(BillingError):
    """The request carries no access token at all."""

    code, status = "not_authenticated", 401

    def __init__(self) -> None:
        """Challenge without an error code, as RFC 6750 section 3.1 asks for this case."""
        super().__init__(
            "Send an access token: Authorization: JWT <access>.",
            headers={"WWW-Authenticate": _REALM},
        )


class InvalidAccessToken(BillingError):
    """The token is not one of ours, not for us, too old or revoked.

    `reason` is safe to log and to count; the caller learns only that the token does not serve.
    """

    code, status = "invalid_token", 401

    def __init__(self, reason: str) -> None:
        """Challenge as RFC 6750 section 3.1 says.

        Args:
            reason: Two or three fixed words, never a part of the token.
        """
        super().__init__(
            "The access token is invalid or expired.",
            headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
        )
        self.reason = reason


class KeysUnavailable(Unavailable):
    """auth-service's keys cannot be fetched, so nobody can say whether the token is good.

    503 and not 401: a client that gets 401 throws away a good log-in.
    """

    code = "keys_unavailable"

    def __init__(self) -> None:
        """Ask to come back when the next fetch is due."""
        super().__init__("The token cannot be checked right now.", retry_after_seconds=5)

"""The refresh token in a cookie, for pages in browsers: set and read for our own pages alone."""

from dataclasses import dataclass

from fastapi import Request, Response

from auth_service.errors import CrossSiteRequest, InvalidToken

# Browsers send it to no other path, so billing-service and other servers of the site never see it.
_PATH = "/api/token"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshCookie:
    """How this installation keeps refresh tokens in cookies.

    A request that sets or uses the cookie has to come from one of our own pages. `SameSite` alone
    does not ensure that: it lets every subdomain of the site through.

    Attributes:
        is_secure: Whether browsers send it over TLS only; its name then says so.
        allowed_origins: Origins of the pages that may use it (RFC 6454 §6.2).
    """

    is_secure: bool
    allowed_origins: frozenset[str]

    @property
    def name(self) -> str:
        """The cookie's name. With the prefix, browsers accept it over TLS only (RFC 6265bis)."""
        return "__Secure-refresh_token" if self.is_secure else "refresh_token"

    def check_origin(self, request: Request) -> None:
        """Refuse a request of a page that is not ours.

        Browsers send `Origin` with every POST, and no page can change it or `Sec-Fetch-Site`.

        Raises:
            CrossSiteRequest: The page is of another site, or no browser sent the request.
        """
        if request.headers.get("origin") in self.allowed_origins:
            return
        # The gateway under another name, such as 127.0.0.1 for localhost.
        if request.headers.get("sec-fetch-site") != "same-origin":
            raise CrossSiteRequest

    def is_sent(self, request: Request) -> bool:
        """Say whether the request has the cookie."""
        return bool(self._values(request))

    def read(self, request: Request) -> str:
        """Return the refresh token of a request that has the cookie.

        Raises:
            CrossSiteRequest: The page may not use it.
            InvalidToken: There are several. Another server of the site can add one of its own.
        """
        self.check_origin(request)
        values = self._values(request)
        if len(values) != 1:
            raise InvalidToken
        return values[0]

    def set(self, response: Response, unverified_token: str, *, max_age: int) -> None:
        """Let the browser keep a refresh token for `max_age` seconds, out of reach of scripts."""
        response.set_cookie(
            self.name,
            unverified_token,
            max_age=max_age,
            path=_PATH,
            secure=self.is_secure,
            httponly=True,
            samesite="strict",
        )

    def clear(self, response: Response) -> None:
        """Let the browser forget it."""
        self.set(response, "", max_age=0)

    def _values(self, request: Request) -> list[str]:
        pairs = ";".join(request.headers.getlist("cookie")).split(";")
        named = (pair.strip().partition("=") for pair in pairs)
        return [value for name, _, value in named if name == self.name and value]

"""Issues and verifies JWTs: access, refresh and service tokens (RFC 7519, RFC 9068)."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import jwt
from jwt.types import Options

from auth_service.errors import InvalidToken
from auth_service.keys import KeyRing

ALGORITHM = "RS256"
OWN_AUDIENCE = "auth-service"
INTERNAL_AUDIENCE = "auth-service/internal"
SERVICE_TOKEN_LIFETIME_SECONDS = 60

# Clock difference that a verifier allows. billing-service allows the same.
IAT_LEEWAY_SECONDS = 30
EXP_LEEWAY_SECONDS = 5

_MAXIMUM_TOKEN_LENGTH = 8192
# Our own header has about 100 characters. Parsing deeply nested JSON could exhaust the stack.
_MAXIMUM_HEADER_LENGTH = 512
_HEADER_MEMBERS = {"alg", "kid", "typ"}
_KID = re.compile(r"[A-Za-z0-9_-]{43}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# PyJWT checks the signature only; its checks of claims accept `exp` as a string or a boolean.
_SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class TokenType(StrEnum):
    """The claim `token_type`; it agrees with the header's `typ` (RFC 9068 §2.1)."""

    ACCESS = "access"
    REFRESH = "refresh"
    SERVICE = "service"


# `sid` is registered for the session of a token (OpenID Connect Front-Channel Logout §3).
_FAMILY_CLAIM = {TokenType.ACCESS: "sid", TokenType.REFRESH: "family"}
_TYP = {TokenType.ACCESS: "at+jwt", TokenType.REFRESH: "JWT", TokenType.SERVICE: "JWT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The user of an access token."""

    user_id: UUID
    auth_epoch: int
    is_staff: bool = False
    is_superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshGrant:
    """The claims of one refresh token; times are Unix seconds.

    RS256 is deterministic: signing the same claims again gives the same token. So the database
    stores the claims and never the token.

    Attributes:
        audience: The services that access tokens of the family can be for; not a claim of the
            refresh token. None for the default ones.
    """

    family_id: UUID
    user_id: UUID
    auth_epoch: int
    jti: UUID
    issued_at: int
    expires_at: int
    audience: Sequence[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedClaims:
    """The claims of a token whose signature and claims have been checked.

    Attributes:
        subject: The user's id, or the client id in a service token.
        family_id: Not in service tokens, and not in access tokens of releases before `sid`.
        claims: All claims of the token.
    """

    token_type: TokenType
    subject: str
    jti: UUID
    auth_epoch: int = 0
    family_id: UUID | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def user_id(self) -> UUID:
        """The subject of an access token or refresh token."""
        return UUID(self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Issues and verifies tokens with one `iss`.

    Attributes:
        keys: The signing keys.
        issuer: `iss` of every token.
        app_name: The claim `app_name` of every token.
        audiences: The services that access tokens can be for.
        default_audiences: `aud` of access tokens for which no audience was asked.
    """

    keys: KeyRing
    issuer: str
    app_name: str
    audiences: tuple[str, ...]
    default_audiences: tuple[str, ...]
    access_lifetime_seconds: int
    refresh_lifetime_seconds: int

    def issue_access(
        self,
        subject: Subject,
        *,
        family_id: UUID,
        audience: Sequence[str] | None = None,
        now: datetime,
    ) -> str:
        """Sign an access token. `is_staff` and `is_superuser` are claims only if they are true.

        Args:
            subject: The user.
            family_id: Its session.
            audience: The services it is for; None for the default ones.
            now: When it is issued.

        Raises:
            InvalidToken: None of these services is among `audiences` any more.
        """
        wanted = self.default_audiences if audience is None else audience
        named = [name for name in self.audiences if name in wanted]
        if not named:
            raise InvalidToken
        issued_at = int(now.timestamp())
        user_id = str(subject.user_id)
        claims: dict[str, object] = {
            "token_type": TokenType.ACCESS.value,
            "exp": issued_at + self.access_lifetime_seconds,
            "iat": issued_at,
            "jti": str(uuid4()),
            "id": user_id,
            "sub": user_id,
            "iss": self.issuer,
            "aud": named,
            "app_name": self.app_name,
            "auth_epoch": subject.auth_epoch,
            "sid": str(family_id),
        }
        if subject.is_staff:
            claims["is_staff"] = True
        if subject.is_superuser:
            claims["is_superuser"] = True
        return self._sign(claims, TokenType.ACCESS, now=now)

    def issue_refresh(self, grant: RefreshGrant, *, now: datetime) -> str:
        """Sign a refresh token."""
        user_id = str(grant.user_id)
        claims = {
            "token_type": TokenType.REFRESH.value,
            "exp": grant.expires_at,
            "iat": grant.issued_at,
            "jti": str(grant.jti),
            "id": user_id,
            "sub": user_id,
            "iss": self.issuer,
            "aud": [OWN_AUDIENCE],
            "app_name": self.app_name,
            "auth_epoch": grant.auth_epoch,
            "family": str(grant.family_id),
        }
        return self._sign(claims, TokenType.REFRESH, now=now)

    def issue_service(self, client_id: str, *, now: datetime) -> str:
        """Sign a token that lets another service use the internal API for 60 seconds."""
        issued_at = int(now.timestamp())
        claims = {
            "token_type": TokenType.SERVICE.value,
            "exp": issued_at + SERVICE_TOKEN_LIFETIME_SECONDS,
            "iat": issued_at,
            "jti": str(uuid4()),
            "sub": client_id,
            "iss": self.issuer,
            "aud": [INTERNAL_AUDIENCE],
            "app_name": self.app_name,
        }
        return self._sign(claims, TokenType.SERVICE, now=now)

    def verify(
        self,
        unverified_token: str,
        *,
        token_type: TokenType,
        for_any_service: bool = False,
        now: datetime,
    ) -> VerifiedClaims:
        """Check a token's signature and every claim.

        Only RS256 is accepted, whatever `alg` the header names. A header with members other than
        ours, such as `crit`, `jku`, `jwk` or `x5u`, is refused (RFC 8725 §3.1, §3.10).

        Args:
            unverified_token: Compact JWS without the authentication scheme.
            token_type: The only type to accept.
            for_any_service: Accept an access token for one of the other services too, to tell that
                service about it.
            now: The time of the check. `iat` and `nbf` may be 30 s later, `exp` 5 s earlier.

        Raises:
            InvalidToken: Whatever is wrong; the error does not say what.
        """
        claims = self._verify_signature(unverified_token, token_type=token_type, now=now)
        audiences = self._own_audience(token_type)
        if for_any_service and token_type is TokenType.ACCESS:
            audiences = self.audiences
        return self._verify_claims(claims, token_type=token_type, audiences=audiences, now=now)

    def _sign(self, claims: Mapping[str, Any], token_type: TokenType, *, now: datetime) -> str:
        key = self.keys.signing_key(now)
        return jwt.encode(
            dict(claims),
            key.private_key,
            algorithm=ALGORITHM,
            headers={"kid": key.kid, "typ": _TYP[token_type]},
        )

    def _verify_signature(
        self, unverified_token: str, *, token_type: TokenType, now: datetime
    ) -> dict[str, Any]:
        kid = _kid_of(unverified_token, token_type=token_type)
        for_refresh = token_type is TokenType.REFRESH
        key = self.keys.verification_key(kid, now=now, for_refresh=for_refresh)
        if key is None:
            raise InvalidToken
        try:
            return jwt.decode(
                unverified_token, key, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY
            )
        except jwt.PyJWTError:
            raise InvalidToken from None

    def _verify_claims(
        self,
        claims: dict[str, Any],
        *,
        token_type: TokenType,
        audiences: Sequence[str],
        now: datetime,
    ) -> VerifiedClaims:
        timestamp = now.timestamp()
        issued_at, expires_at = claims.get("iat"), claims.get("exp")
        not_before = claims.get("nbf", issued_at)
        # The exact type, because `True` is an `int` too.
        if type(issued_at) is not int or type(expires_at) is not int or type(not_before) is not int:
            raise InvalidToken
        is_valid = (
            claims.get("token_type") == token_type
            and claims.get("iss") == self.issuer
            and claims.get("app_name") == self.app_name
            and any(_includes(claims.get("aud"), name) for name in audiences)
            and max(issued_at, not_before) - IAT_LEEWAY_SECONDS <= timestamp
            and timestamp < expires_at + EXP_LEEWAY_SECONDS
            and expires_at - issued_at <= self._maximum_lifetime(token_type)
            and _is_uuid(claims.get("jti"))
            and _has_valid_subject(claims, token_type)
        )
        if not is_valid:
            raise InvalidToken
        family = claims.get(_FAMILY_CLAIM.get(token_type, ""))
        return VerifiedClaims(
            token_type=token_type,
            subject=claims["sub"],
            jti=UUID(claims["jti"]),
            auth_epoch=claims.get("auth_epoch", 0),
            family_id=UUID(family) if family else None,
            claims=claims,
        )

    @staticmethod
    def _own_audience(token_type: TokenType) -> Sequence[str]:
        return (INTERNAL_AUDIENCE if token_type is TokenType.SERVICE else OWN_AUDIENCE,)

    def _maximum_lifetime(self, token_type: TokenType) -> int:
        return {
            TokenType.ACCESS: self.access_lifetime_seconds,
            TokenType.REFRESH: self.refresh_lifetime_seconds,
            TokenType.SERVICE: SERVICE_TOKEN_LIFETIME_SECONDS,
        }[token_type]


def _kid_of(unverified_token: str, *, token_type: TokenType) -> str:
    header_segment, _, rest = unverified_token.partition(".")
    if len(unverified_token) > _MAXIMUM_TOKEN_LENGTH:
        raise InvalidToken
    if len(header_segment) > _MAXIMUM_HEADER_LENGTH:
        raise InvalidToken
    if rest.count(".") != 1 or not unverified_token.isascii():
        raise InvalidToken
    return _kid_in(header_segment, token_type=token_type)


# All tokens of one key and type have the same header, so each header is parsed once.
@lru_cache(maxsize=64)
def _kid_in(header_segment: str, *, token_type: TokenType) -> str:
    padded = header_segment + "=" * (-len(header_segment) % 4)
    try:
        header = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except ValueError:
        raise InvalidToken from None
    if not isinstance(header, dict):
        raise InvalidToken
    if header.keys() != _HEADER_MEMBERS or header["alg"] != ALGORITHM:
        raise InvalidToken
    kid = header["kid"]
    if header["typ"] != _TYP[token_type] or not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise InvalidToken
    return kid


def _includes(audience: object, required: str) -> bool:
    return audience == required or (isinstance(audience, list) and required in audience)


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _has_valid_subject(claims: Mapping[str, Any], token_type: TokenType) -> bool:
    subject = claims.get("sub")
    if token_type is TokenType.SERVICE:
        return isinstance(subject, str)
    if not _is_uuid(subject) or claims.get("id") != subject:
        return False
    if type(claims.get("auth_epoch")) is not int:
        return False
    if "sid" in claims and not _is_uuid(claims["sid"]):
        return False
    return token_type is not TokenType.REFRESH or _is_uuid(claims.get("family"))

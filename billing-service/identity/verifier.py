"""Verifies auth-service's access tokens: signature first, then every claim.

A compact JWS is taken apart without believing any of it, and its JSON is read as strictly as two
parsers need to agree on it (RFC 8259 section 4, RFC 8725 section 2.4).
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from identity.errors import InvalidAccessToken

# No access token of ours lives longer, whatever auth-service is configured to.
MAXIMUM_LIFETIME_SECONDS = 3600
IAT_LEEWAY_SECONDS = 30
EXP_LEEWAY_SECONDS = 5

MAXIMUM_TOKEN_BYTES = 8 * 1024

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_KID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_TYPES = ("at+jwt", "application/at+jwt")
_PADDING: Final = PKCS1v15()
_HASH: Final = SHA256()


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """What a good access token says about its user; every other claim is checked and let go."""

    user_id: UUID
    auth_epoch: int
    is_staff: bool
    is_superuser: bool


def verify_access_token(
    unverified_token: str,
    *,
    key_of: Callable[[str], RSAPublicKey],
    issuer: str,
    audience: str,
    now: Callable[[], float] = time.time,
) -> VerifiedClaims:
    """Check an access token's signature and claims.

    Only RS256 is accepted, whatever `alg` the header names (RFC 8725 section 3.1), and only
    tokens typed as access tokens (RFC 9068 section 4).

    Args:
        unverified_token: Compact JWS from the Authorization header, scheme removed.
        key_of: Returns auth-service's public key for the header's `kid`, or refuses.
        issuer: Exact `iss` to require.
        audience: Our own name, which `aud` must contain (RFC 7519 section 4.1.3).
        now: The wall clock.

    Raises:
        InvalidAccessToken: Bad signature, unknown `kid`, or a missing, expired or foreign claim.
        KeysUnavailable: The keys to decide with cannot be had.
    """
    signing_input, header, payload, signature = _split(unverified_token)
    key = key_of(_checked_kid(header))
    try:
        key.verify(signature, signing_input, _PADDING, _HASH)
    except InvalidSignature:
        raise InvalidAccessToken("bad signature") from None
    return _checked_claims(_read_object(payload), issuer=issuer, audience=audience, now=now())


def _checked_kid(header: dict[str, Any]) -> str:
    if header.get("alg") != "RS256":
        raise InvalidAccessToken("algorithm")
    if "crit" in header:
        raise InvalidAccessToken("crit")
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise InvalidAccessToken("type")
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise InvalidAccessToken("kid")
    return kid


def _checked_claims(
    claims: dict[str, Any], *, issuer: str, audience: str, now: float
) -> VerifiedClaims:
    if claims.get("token_type") != "access":
        raise InvalidAccessToken("token type")
    if claims.get("iss") != issuer:
        raise InvalidAccessToken("issuer")
    if not _names(claims.get("aud"), audience):
        raise InvalidAccessToken("audience")
    if not isinstance(claims.get("app_name"), str):
        raise InvalidAccessToken("app name")
    _check_times(claims, now=now)
    _uuid(claims, "jti")
    if "sid" in claims:
        _uuid(claims, "sid")
    user_id = _uuid(claims, "id")
    if claims.get("sub") != claims["id"]:
        raise InvalidAccessToken("subject")
    return VerifiedClaims(
        user_id=user_id,
        auth_epoch=_integer(claims, "auth_epoch"),
        is_staff=_flag(claims, "is_staff"),
        is_superuser=_flag(claims, "is_superuser"),
    )


def _check_times(claims: dict[str, Any], *, now: float) -> None:
    issued_at, expires_at = _integer(claims, "iat"), _integer(claims, "exp")
    if issued_at > now + IAT_LEEWAY_SECONDS:
        raise InvalidAccessToken("issued in the future")
    if "nbf" in claims and _integer(claims, "nbf") > now + IAT_LEEWAY_SECONDS:
        raise InvalidAccessToken("not yet valid")
    if now >= expires_at + EXP_LEEWAY_SECONDS:
        raise InvalidAccessToken("expired")
    if not 0 < expires_at - issued_at <= MAXIMUM_LIFETIME_SECONDS:
        raise InvalidAccessToken("lifetime")


def _integer(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    # `type is int`, because True is an instance of int, and 1e9 or "1" are no NumericDates of ours.
    if type(value) is not int or value < 0:
        raise InvalidAccessToken(name)
    return value


def _uuid(claims: dict[str, Any], name: str) -> UUID:
    value = claims.get(name)
    try:
        parsed = UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InvalidAccessToken(name) from None
    # UUID() also reads braces, URNs and upper case; one user must have one spelling.
    if value not in (str(parsed), parsed.hex):
        raise InvalidAccessToken(name)
    return parsed


def _flag(claims: dict[str, Any], name: str) -> bool:
    value = claims.get(name, False)
    if not isinstance(value, bool):
        raise InvalidAccessToken(name)
    return value


def _names(audiences: Any, audience: str) -> bool:
    if isinstance(audiences, list):
        return all(isinstance(name, str) for name in audiences) and audience in audiences
    return isinstance(audiences, str) and audiences == audience


def _split(unverified_token: str) -> tuple[bytes, dict[str, Any], str, bytes]:
    """Return the signing input, the header, the undecoded payload and the signature.

    Args:
        unverified_token: Compact JWS (RFC 7515 section 7.1).

    Raises:
        InvalidAccessToken: It is no compact JWS, or its header is no JSON object.
    """
    if len(unverified_token) > MAXIMUM_TOKEN_BYTES:
        raise InvalidAccessToken("too long")
    match = _COMPACT.fullmatch(unverified_token)
    if match is None:
        raise InvalidAccessToken("not a compact JWS")
    header, payload, signature = match.groups()
    signing_input = unverified_token[: match.end(2)].encode("ascii")
    return signing_input, _read_object(header), payload, _decode(signature)


def _read_object(segment: str) -> dict[str, Any]:
    """Decode a segment that must hold one JSON object with unique names.

    Raises:
        InvalidAccessToken: It holds anything else.
    """
    try:
        return parse_object(_decode(segment))
    except ValueError:
        raise InvalidAccessToken("not a JSON object") from None


def _decode(segment: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise InvalidAccessToken("not base64url") from None


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse one JSON object in UTF-8.

    Raises:
        ValueError: It is not JSON, not an object, names a member twice, contains NaN or Infinity,
            or is nested too deeply.
    """
    try:
        value = _DECODER.decode(text.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for all that is wrong with a text
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    # Parsers differ in which of two equal names they keep (RFC 8725 section 2.4).
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_refuse_constant)

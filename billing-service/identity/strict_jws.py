"""Takes a compact JWS apart without believing any of it."""

import base64
import binascii
import re
from typing import Any

from identity.errors import InvalidAccessToken
from strict_json import parse_object

MAXIMUM_TOKEN_BYTES = 8 * 1024
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


def split(unverified_token: str) -> tuple[bytes, dict[str, Any], str, bytes]:
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
    return signing_input, read_object(header), payload, _decode(signature)


def read_object(segment: str) -> dict[str, Any]:
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

"""auth-service's verification keys: which ones are acceptable, found by `kid`."""

import base64
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

MAXIMUM_BYTES = 64 * 1024
_MAXIMUM_KEYS = 32
_MINIMUM_RSA_BITS = 2048


class BadKeySet(ValueError):
    """The document holds no key we could accept."""


def parse_key_set(document: bytes) -> Mapping[str, RSAPublicKey]:
    """Read a JWK set (RFC 7517 section 5) and keep the acceptable keys.

    Keys of other kinds are left out, as section 5 asks, so that auth-service may publish more
    than we understand.

    Args:
        document: The body of `/.well-known/jwks.json`, at most `MAXIMUM_BYTES` long.

    Raises:
        BadKeySet: It is no JWK set, or no key in it is acceptable.
    """
    if len(document) > MAXIMUM_BYTES:
        raise BadKeySet("longer than 64 KiB")
    try:
        members = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadKeySet("not a JWK set") from error
    if not isinstance(members, list) or len(members) > _MAXIMUM_KEYS:
        raise BadKeySet("not a list of at most 32 keys")
    keys = {jwk["kid"]: key for jwk in members if (key := _acceptable(jwk)) is not None}
    if not keys:
        raise BadKeySet("no acceptable key")
    return MappingProxyType(keys)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the RSA key's RFC 7638 thumbprint, base64url without padding.

    Args:
        jwk: A public RSA key with the members `e`, `kty` and `n`.
    """
    required = {name: jwk[name] for name in ("e", "kty", "n")}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _acceptable(jwk: Any) -> RSAPublicKey | None:
    if not isinstance(jwk, dict) or not _is_declared_for_us(jwk):
        return None
    try:
        key = RSAAlgorithm.from_jwk(jwk)
    except (InvalidKeyError, ValueError, TypeError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MINIMUM_RSA_BITS:
        return None
    return key if jwk["kid"] == thumbprint(jwk) else None


def _is_declared_for_us(jwk: dict[str, Any]) -> bool:
    declared = (jwk.get("kty"), jwk.get("use"), jwk.get("alg")) == ("RSA", "sig", "RS256")
    # A private member means someone published a signing key: nothing it signs is worth trusting.
    return declared and isinstance(jwk.get("kid"), str) and "d" not in jwk

"""RSA public keys as JSON Web Keys, and their thumbprints (RFC 7517, RFC 7638)."""

import base64
import hashlib
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from auth_service.keys.errors import ManifestInvalid

MINIMUM_BITS = 2048


def public_jwk(public_key: RSAPublicKey) -> dict[str, str]:
    """Return an RSA public key as a JWK that verifies RS256 signatures (RFC 7518 §6.3.1)."""
    numbers = public_key.public_numbers()
    members = {"kty": "RSA", "n": to_base64url(numbers.n), "e": to_base64url(numbers.e)}
    return {**members, "use": "sig", "alg": "RS256", "kid": thumbprint(members)}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the base64url SHA-256 of a key's required members (RFC 7638): its `kid`.

    Args:
        jwk: An RSA JWK; members other than `e`, `kty` and `n` are ignored.
    """
    required = {member: jwk[member] for member in ("e", "kty", "n")}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return _encode(hashlib.sha256(canonical.encode("ascii")).digest())


def public_key_of(jwk: Mapping[str, str]) -> RSAPublicKey:
    """Parse a JWK of the manifest.

    Raises:
        ManifestInvalid: It is not an RSA key of 2048 bits or more, or its `kid` is not its
            thumbprint.
    """
    try:
        numbers = RSAPublicNumbers(e=_from_base64url(jwk["e"]), n=_from_base64url(jwk["n"]))
        key, named, kid = numbers.public_key(), jwk["kid"], thumbprint(jwk)
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestInvalid(
            f"A public key in the manifest is not an RSA JWK: {error}."
        ) from error
    if named != kid:
        raise ManifestInvalid(
            f"Key {named} in the manifest has the thumbprint {kid}: it was edited."
        )
    if key.key_size < MINIMUM_BITS:
        raise ManifestInvalid(f"Key {kid} has {key.key_size} bits; {MINIMUM_BITS} is the minimum.")
    return key


def to_base64url(number: int) -> str:
    """Encode a number as Base64urlUInt (RFC 7518 §2)."""
    return _encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _from_base64url(text: str) -> int:
    padded = text + "=" * (-len(text) % 4)
    return int.from_bytes(base64.b64decode(padded, altchars=b"-_", validate=True), "big")


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")

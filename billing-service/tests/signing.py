"""Real signing keys and tokens, as auth-service makes them."""

import base64
import json
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import RSAAlgorithm

from identity.key_set import thumbprint
from tests.environment import AUDIENCE, ISSUER


def encode(data: bytes | dict[str, Any]) -> str:
    """Return base64url without padding, of JSON if it is an object."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True)
class SigningKey:
    """One RSA key pair."""

    private: rsa.RSAPrivateKey
    jwk: dict[str, Any] = field(default_factory=dict)

    @property
    def kid(self) -> str:
        """Return the thumbprint."""
        return str(self.jwk["kid"])

    def sign(self, header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes) -> str:
        """Return a compact JWS over exactly these parts."""
        signing_input = f"{encode(header)}.{encode(claims)}"
        signature = self.private.sign(signing_input.encode(), padding.PKCS1v15(), SHA256())
        return f"{signing_input}.{encode(signature)}"

    def header(self, **changes: Any) -> dict[str, Any]:
        """Return the header of an access token."""
        return {"alg": "RS256", "typ": "at+jwt", "kid": self.kid, **changes}

    def access_token(self, user_id: uuid.UUID | None = None, **claims: Any) -> str:
        """Return a good access token, but for the claims given."""
        return self.sign(self.header(), access_claims(user_id, **claims))


def access_claims(user_id: uuid.UUID | None = None, **changes: Any) -> dict[str, Any]:
    """Return a good access token's claims; a value of None leaves the claim out."""
    subject = str(user_id or uuid.uuid4())
    now = int(time.time())
    claims = {
        "token_type": "access",
        "exp": now + 300,
        "iat": now,
        "jti": uuid.uuid4().hex,
        "id": subject,
        "sub": subject,
        "app_name": "Stripe Assignment",
        "iss": ISSUER,
        "aud": ["auth-service", AUDIENCE],
        "auth_epoch": 1,
        "sid": str(uuid.uuid4()),
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


@cache
def signing_key(number: int = 1, *, bits: int = 2048) -> SigningKey:
    """Return the run's signing key of this number."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    public = {"kty": jwk["kty"], "n": jwk["n"], "e": jwk["e"], "use": "sig", "alg": "RS256"}
    return SigningKey(private, public | {"kid": thumbprint(public)})

"""Makes tokens, good ones and any kind of bad one, with nothing between the test and the bytes."""

import base64
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ABSENT: Final = object()
Json = Mapping[str, Any]
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


@dataclass(frozen=True)
class SigningKey:
    """An RSA key and the name it goes by."""

    kid: str
    private: rsa.RSAPrivateKey

    @classmethod
    def from_pem(cls, path: Path) -> "SigningKey":
        """Read an unencrypted key that is named after its `kid`."""
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(private, rsa.RSAPrivateKey)
        return cls(path.stem, private)

    def sign(self, message: bytes, *, algorithm: str = "RS256") -> bytes:
        """Sign with any of the RSA algorithms of RFC 7518."""
        digest = _DIGESTS[algorithm[2:]]
        if algorithm.startswith("PS"):
            scheme = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
            return self.private.sign(message, scheme, digest)
        return self.private.sign(message, padding.PKCS1v15(), digest)

    @property
    def public_pem(self) -> bytes:
        """What the key-confusion attack uses as a secret."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public_der(self) -> bytes:
        """The same without armour."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public_jwk(self) -> dict[str, str]:
        """The key as its own JWKS would show it."""
        numbers = self.private.public_key().public_numbers()
        members = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid}
        return {**members, "n": _number(numbers.n), "e": _number(numbers.e)}


@dataclass(frozen=True)
class Forge:
    """Signs claims that differ from a good token in exactly what a case is about.

    Attributes:
        key: The issuer's real signing key: a hostile claim must be refused for itself.
        example: Claims of a token the issuer has just issued.
        typ: The header's `typ` for that kind of token.
        jti: A fixed `jti`; None makes a new one for each token.
    """

    key: SigningKey
    example: Json
    typ: str = "at+jwt"
    jti: str | None = None

    @cached_property
    def stranger(self) -> SigningKey:
        """A key of an attacker, with a well-formed `kid` that the issuer never published."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return SigningKey("A" * 43, private)

    @property
    def header(self) -> dict[str, Any]:
        """What stands over a good token."""
        return {"alg": "RS256", "kid": self.key.kid, "typ": self.typ}

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of a good token, issued now."""
        now = int(time.time())
        lifetime = self.example["exp"] - self.example["iat"]
        fresh = {"iat": now, "exp": now + lifetime, "jti": self.jti or str(uuid.uuid4())}
        return {**self.example, **fresh}

    def token(
        self,
        claims: Json | None = None,
        *,
        header: Json | None = None,
        key: SigningKey | None = None,
    ) -> str:
        """Sign a good token with these changes; ABSENT leaves a member out."""
        return self.signed(
            _bytes(_changed(self.header, header or {})),
            _bytes(_changed(self.claims, claims or {})),
            key=key,
        )

    def signed(
        self,
        header: bytes,
        payload: bytes,
        *,
        key: SigningKey | None = None,
        algorithm: str = "RS256",
    ) -> str:
        """Sign two segments, whatever they hold."""
        message = f"{encode(header)}.{encode(payload)}"
        signature = (key or self.key).sign(message.encode(), algorithm=algorithm)
        return f"{message}.{encode(signature)}"

    def under(self, algorithm: str) -> str:
        """Sign a good token with another algorithm of the same key, and say so in its header."""
        header = {**self.header, "alg": algorithm}
        return self.signed(_bytes(header), _bytes(self.claims), algorithm=algorithm)

    def unsigned(self, algorithm: object) -> str:
        """Leave the signature out and name an algorithm that needs none."""
        header = {**self.header, "alg": algorithm}
        return f"{encode(_bytes(header))}.{encode(_bytes(self.claims))}."

    def mac(self, secret: bytes, *, algorithm: str = "HS256") -> str:
        """Sign with something public as if it were a shared secret (RFC 8725 §2.1)."""
        message = ".".join(
            (encode(_bytes({**self.header, "alg": algorithm})), encode(_bytes(self.claims)))
        )
        digest = "sha" + algorithm[2:]
        return f"{message}.{encode(hmac.digest(secret, message.encode(), digest))}"

    def with_text(self, name: str, text: str) -> str:
        """Write one claim as raw JSON text that `json.dumps` would not produce."""
        marker = "RAW-TEXT"
        payload = _bytes({**self.claims, name: marker}).replace(
            f'"{marker}"'.encode(), text.encode()
        )
        return self.signed(_bytes(self.header), payload)

    def twice(self, name: str, value: object, *, header: bool = False) -> str:
        """Name one member twice, the hostile value last."""
        parts = [_bytes(self.header), _bytes(self.claims)]
        which = 0 if header else 1
        parts[which] = parts[which][:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}".encode()
        return self.signed(*parts)

    def edited(self, **changes: object) -> str:
        """Change the claims of a good token under its old signature."""
        header, _, signature = self.token().split(".")
        return f"{header}.{encode(_bytes({**self.claims, **changes}))}.{signature}"

    def segments(self) -> list[str]:
        """The three segments of a good token."""
        return self.token().split(".")


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, unverified."""
    first = token.split(".")[0]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(first + "=="))
    return decoded


def encode(octets: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _number(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _bytes(value: Json) -> bytes:
    return json.dumps(value).encode()


def _changed(good: Json, changes: Json) -> Json:
    return {name: value for name, value in {**good, **changes}.items() if value is not ABSENT}

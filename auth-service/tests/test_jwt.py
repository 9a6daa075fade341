"""Forged tokens and tokens of others: each is a 401, none a 5xx."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from auth_service.users.accounts import User
from tests.conftest import MovableClock, Service


class Forger:
    """Signs any claims, by default with the service's own key."""

    def __init__(self, service: Service, good_token: str) -> None:
        signing_key = service.state.keys.signing_key(service.clock())
        self.kid, self.private_key = signing_key.kid, signing_key.private_key
        self.good_token = good_token
        self.claims = jwt.decode(good_token, options={"verify_signature": False})
        self.header = jwt.get_unverified_header(good_token)

    def sign(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Change some claims and header members; None removes one."""
        return self._sign(self.private_key, header or {}, claims)

    def sign_with_foreign_key(self, **header: Any) -> str:
        """Sign the valid claims with a key that was never published."""
        foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._sign(foreign, header, {})

    def public_pem(self) -> bytes:
        """The public key in the format that an algorithm confusion uses as a secret."""
        public = self.private_key.public_key()
        return public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def _sign(self, key: rsa.RSAPrivateKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
        merged = {k: v for k, v in (self.claims | claims).items() if v is not None}
        headers = {k: v for k, v in (self.header | header).items() if v is not None}
        return _compact(headers, merged, lambda message: _rs256(key, message))


def _rs256(key: rsa.RSAPrivateKey, message: bytes) -> bytes:
    return jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(message, key)


def _compact(
    header: dict[str, Any], claims: dict[str, Any] | str, sign: Callable[[bytes], bytes]
) -> str:
    body = claims if isinstance(claims, str) else json.dumps(claims)
    message = f"{_encode(json.dumps(header).encode())}.{_encode(body.encode())}"
    return f"{message}.{_encode(sign(message.encode()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def forger(
    service: Service,
    add_user: Callable[..., User],
    obtain: Callable[..., httpx.Response],
) -> Forger:
    """A forger with a valid access token."""
    add_user()
    return Forger(service, obtain().json()["access"])


@pytest.fixture
def status_of(http: httpx.Client) -> Callable[[str], int]:
    """Send a token where an access token is required; returns the status."""

    def show(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        answer = http.get("/api/token/me", headers=headers)
        if answer.status_code == 401:
            assert answer.json()["code"] == "token_not_valid"
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        return answer.status_code

    return show


def test_the_forger_can_sign_a_valid_token(forger: Forger, status_of: Callable[[str], int]) -> None:
    """Otherwise the refusals below would prove nothing."""
    assert status_of(forger.good_token) == 200
    assert status_of(forger.sign()) == 200
    assert status_of(forger.sign(jti=str(uuid4()))) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"id": None},
        {"sub": None},
        {"token_type": None},
        {"app_name": None},
        {"iss": None},
        {"aud": None},
        {"auth_epoch": None},
        {"exp": "9999999999"},
        {"exp": 10**30},
        {"exp": True},
        {"exp": 1.5},
        {"iat": "0"},
        {"iat": False},
        {"iat": 4_000_000_000, "exp": 4_000_000_100},
        {"exp": 4_000_000_000},
        {"exp": 1},
        {"exp": -1, "iat": -200},
        {"jti": "not-a-uuid"},
        {"jti": 7},
        {"id": str(uuid4())},
        {"sub": str(uuid4())},
        {"sub": "x", "id": "x"},
        {"sub": str(uuid4()).upper(), "id": str(uuid4()).upper()},
        {"iss": "http://localhost:8000/"},
        {"iss": ["http://localhost:8000"]},
        {"aud": "billing-service"},
        {"aud": ["billing-service"]},
        {"aud": ["auth-service/internal"]},
        {"aud": {"auth-service": 1}},
        {"app_name": "Another"},
        {"token_type": "refresh"},
        {"token_type": "service"},
        {"token_type": ["access"]},
        {"auth_epoch": "1"},
        {"auth_epoch": True},
        {"auth_epoch": 0},
        {"auth_epoch": 2},
    ],
    ids=str,
)
def test_a_wrong_claim_is_refused(
    forger: Forger, status_of: Callable[[str], int], claims: dict[str, Any]
) -> None:
    """Claims are checked even if the signature is ours."""
    assert status_of(forger.sign(**claims)) == 401


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "RS512"},
        {"alg": "PS256"},
        {"alg": "rs256"},
        {"alg": None},
        {"alg": ["RS256"]},
        {"kid": None},
        {"kid": "A" * 43},
        {"kid": "A" * 8000},
        {"kid": "../../../../dev/null/aaaaaaaaaaaaaaaaaaaaaa"},
        {"kid": 7},
        {"kid": ["x"]},
        {"typ": "JWT"},
        {"typ": None},
        {"typ": "AT+JWT"},
        {"crit": ["exp"]},
        {"b64": False},
        {"jku": "http://127.0.0.1/keys"},
        {"x5u": "http://127.0.0.1/cert"},
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        {"zip": "DEF"},
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_wrong_header_is_refused(
    forger: Forger, status_of: Callable[[str], int], header: dict[str, Any]
) -> None:
    """Only the header that we write ourselves is accepted."""
    assert status_of(forger.sign(header=header)) == 401


def test_signatures_of_other_keys_are_refused(
    forger: Forger, status_of: Callable[[str], int]
) -> None:
    """A key that was never published, with its own kid or ours; our public key as a secret."""
    header = forger.header | {"alg": "HS256"}
    with_public_key = _compact(
        header,
        forger.claims,
        lambda message: hmac.digest(forger.public_pem(), message, hashlib.sha256),
    )
    unsigned = forger.good_token.rpartition(".")[0] + "."

    assert status_of(forger.sign_with_foreign_key()) == 401
    assert status_of(forger.sign_with_foreign_key(kid="B" * 43)) == 401
    assert status_of(with_public_key) == 401
    assert status_of(unsigned) == 401


def test_an_edited_payload_is_refused(forger: Forger, status_of: Callable[[str], int]) -> None:
    """One changed right breaks the signature."""
    header, _, signature = forger.good_token.split(".")
    payload = _encode(json.dumps(forger.claims | {"is_superuser": True}).encode())
    assert status_of(f"{header}.{payload}.{signature}") == 401


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "=.=.=",
        "x" * 9000,
        "[" * 300 + ".e30.e30",
        _encode(b"[" * 380) + ".e30.e30",
        _encode(b"null") + ".e30.e30",
        _encode(b"\xff\xfe") + ".e30.e30",
        _encode(b'{"alg":"RS256"}') + ".e30.e30",
    ],
    ids=lambda token: token[:16],
)
def test_text_that_is_no_token_is_refused(http: httpx.Client, service: Service, token: str) -> None:
    """In a header or a body, it is a 401 and never a 500."""
    bodies = {"verify": {"token": token}, "refresh": {"refresh": token}}
    for endpoint, body in bodies.items():
        answer = http.post(f"/api/token/{endpoint}", json=body)
        expected = 401 if 0 < len(token) <= 8000 else 400
        assert answer.status_code == (413 if len(token) > 8192 else expected)


@pytest.mark.parametrize("payload", ["null", "[]", "{", "7", '{"exp": NaN}', '"text"'])
def test_a_signed_payload_that_is_no_object_is_refused(
    forger: Forger, status_of: Callable[[str], int], payload: str
) -> None:
    """Claims have to be a JSON object."""
    token = _compact(forger.header, payload, lambda message: _rs256(forger.private_key, message))
    assert status_of(token) == 401


def test_a_small_clock_difference_is_accepted(
    forger: Forger, status_of: Callable[[str], int], clock: MovableClock
) -> None:
    """A host whose clock is up to 30 s ahead may issue tokens."""
    issued = int((clock() + timedelta(seconds=25)).timestamp())
    late = int((clock() + timedelta(seconds=45)).timestamp())

    assert status_of(forger.sign(iat=issued, exp=issued + 100)) == 200
    assert status_of(forger.sign(iat=late, exp=late + 100)) == 401
    assert status_of(forger.sign(nbf=issued)) == 200
    assert status_of(forger.sign(nbf=late)) == 401


def test_a_token_is_accepted_for_five_seconds_after_it_expired(
    forger: Forger, status_of: Callable[[str], int], clock: MovableClock
) -> None:
    """A host five seconds behind may still send it. billing-service has the same leeway."""
    clock.stop()
    now = int(clock().timestamp())

    assert status_of(forger.sign(iat=now - 100, exp=now - 4)) == 200
    assert status_of(forger.sign(iat=now - 100, exp=now - 5)) == 401


def test_a_token_of_one_type_is_refused_as_another(
    service: Service, http: httpx.Client, as_billing: httpx.Client, forger: Forger
) -> None:
    """The public API refuses service tokens, and the internal API refuses users' tokens."""
    service_token = as_billing.headers["Authorization"].removeprefix("Bearer ")
    answers = [
        http.get("/api/token/me", headers={"Authorization": f"Bearer {service_token}"}),
        http.post("/api/token/verify", json={"token": service_token}),
        http.post("/api/token/refresh", json={"refresh": service_token}),
        http.get("/internal/users", headers={"Authorization": f"Bearer {forger.good_token}"}),
        http.get(
            "/internal/users",
            headers={"Authorization": "Bearer " + forger.sign(aud=["auth-service/internal"])},
        ),
    ]
    assert [a.status_code for a in answers] == [401] * 5

"""Which tokens open the door, over HTTP, signed with a real key."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from identity.bearer import authenticate
from tests.auth_stand_in import AuthStandIn
from tests.signing import access_claims, encode, signing_key

REQUIRED = ("exp", "iat", "jti", "id", "sub", "token_type", "app_name", "iss", "aud")


def hostile_claims(now: int) -> dict[str, dict[str, Any]]:
    """Return what is wrong with each token, as seen from this moment."""
    hostile: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 60, "iat": now - 360},
        "issued in the future": {"iat": now + 120, "exp": now + 300},
        "not yet valid": {"nbf": now + 120},
        "exp as text": {"exp": "9999999999"},
        "exp huge": {"exp": 10**30},
        "exp true": {"exp": True},
        "exp a fraction": {"exp": now + 200.5},
        "exp negative": {"exp": -1},
        "iat as text": {"iat": str(now)},
        "iat true": {"iat": True},
        "nbf as text": {"nbf": "0"},
        "lives a year": {"exp": now + 31_536_000},
        "ends before it begins": {"iat": now + 20, "exp": now + 10},
        "foreign issuer": {"iss": "https://evil.test"},
        "issuer with a slash": {"iss": "http://gateway.test/"},
        "issuer a list": {"iss": ["http://gateway.test"]},
        "foreign audience": {"aud": ["auth-service"]},
        "audience a prefix": {"aud": "billing-service-2"},
        "audience a number": {"aud": 7},
        "audience with a number": {"aud": ["billing-service", 7]},
        "refresh": {"token_type": "refresh"},
        "service": {"token_type": "service", "aud": ["auth-service/internal"]},
        "type a list": {"token_type": ["access"]},
        "id no UUID": {"id": "1", "sub": "1"},
        "id a number": {"id": 1, "sub": 1},
        "id in braces": {"id": "{ac9bc8a5-d206-4890-9275-d1986db56935}"},
        "sub another user": {"sub": str(uuid.uuid4())},
        "jti no UUID": {"jti": "../../etc/passwd"},
        "jti a list": {"jti": []},
        "sid no UUID": {"sid": "1"},
        "sid a list": {"sid": []},
        "epoch as text": {"auth_epoch": "0"},
        "epoch true": {"auth_epoch": True},
        "staff as text": {"is_staff": "true"},
        "superuser a number": {"is_superuser": 1},
        "app name a number": {"app_name": 1},
    }
    return hostile | {f"without {name}": {name: None} for name in REQUIRED}


HOSTILE_HEADERS: dict[str, dict[str, Any]] = {
    "none": {"alg": "none"},
    "NONE": {"alg": "NoNe"},
    "HS256": {"alg": "HS256"},
    "RS512": {"alg": "RS512"},
    "PS256": {"alg": "PS256"},
    "alg a list": {"alg": ["RS256"]},
    "crit": {"crit": ["exp"]},
    "crit empty": {"crit": []},
    "refresh typ": {"typ": "JWT"},
    "typ a number": {"typ": 1},
    "kid missing": {"kid": None},
    "kid foreign": {"kid": "A" * 43},
    "kid a path": {"kid": "../../../../dev/null"},
    "kid long": {"kid": "A" * 5000},
    "kid with a newline": {"kid": "A" * 42 + "\n"},
    "kid a list": {"kid": ["x"]},
}


def _plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"id": str(authenticate(request.headers.get("Authorization")).id)})


@api_view(["GET"])
def _rest(request: Request) -> Response:
    return Response({"id": str(request.user.id)})


urlpatterns = [path("plain", _plain), path("rest", _rest)]
pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(params=["/plain", "/rest"])
def get(request: pytest.FixtureRequest, client: Client) -> Callable[[str], Any]:
    """Call a view with an Authorization header; REST and plain views must agree."""

    def call(authorization: str) -> Any:
        return client.get(request.param, headers={"Authorization": authorization})

    return call


@pytest.mark.parametrize("scheme", ["JWT", "Bearer", "jwt", "bEaReR"])
def test_a_good_token_opens_the_door(get: Callable[[str], Any], scheme: str) -> None:
    """Both schemes serve, in any case, and the view knows who is calling."""
    user_id = uuid.uuid4()

    answer = get(f"{scheme} {signing_key().access_token(user_id)}")

    assert (answer.status_code, answer.json()) == (200, {"id": str(user_id)})


@pytest.mark.parametrize("flaw", hostile_claims(0))
def test_a_well_signed_token_with_a_hostile_claim_is_refused(
    get: Callable[[str], Any], flaw: str
) -> None:
    """Every refusal is a 401 with a challenge; the signature alone is not enough."""
    changes = hostile_claims(int(time.time()))[flaw]

    _assert_refused(get(f"JWT {signing_key().access_token(**changes)}"))


@pytest.mark.parametrize("changes", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS.keys())
def test_a_hostile_header_is_refused(get: Callable[[str], Any], changes: dict[str, Any]) -> None:
    """What the header says never widens what is accepted."""
    header = {k: v for k, v in signing_key().header(**changes).items() if v is not None}

    _assert_refused(get(f"JWT {signing_key().sign(header, access_claims())}"))


def test_headers_that_bring_their_own_key_are_refused(
    get: Callable[[str], Any], auth_service: AuthStandIn
) -> None:
    """`jwk`, `jku` and `x5u` are never followed: the forged key's signature does not verify."""
    forger = signing_key(2)
    for extra in (
        {"jwk": forger.jwk},
        {"jku": "http://evil.test/jwks.json"},
        {"x5u": "http://evil.test/cert.pem"},
    ):
        header = signing_key().header(**extra)
        _assert_refused(get(f"JWT {forger.sign(header, access_claims())}"))
    assert auth_service.count("GET", "/.well-known/jwks.json") == 1


def test_the_public_key_is_no_shared_secret(get: Callable[[str], Any]) -> None:
    """HS256 with the public key as its secret is the classic forgery."""
    key = signing_key()
    pem = key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signing_input = f"{encode(key.header(alg='HS256'))}.{encode(access_claims())}"
    code = hmac.HMAC(pem, hashes.SHA256())
    code.update(signing_input.encode())

    _assert_refused(get(f"JWT {signing_input}.{encode(code.finalize())}"))


def test_an_edited_payload_is_refused(get: Callable[[str], Any]) -> None:
    """A user cannot become staff by editing the claims."""
    header, _, signature = signing_key().access_token().split(".")

    _assert_refused(get(f"JWT {header}.{encode(access_claims(is_staff=True))}.{signature}"))


@pytest.mark.parametrize(
    "payload",
    [
        b'{"exp":1,"exp":9999999999}',
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"exp":NaN}',
        b'{"exp":' + b"9" * 4400 + b"}",
        b"[" * 5000,
    ],
    ids=["twice", "list", "null", "cut", "bytes", "NaN", "4,400 digits", "5,000 brackets"],
)
def test_a_payload_that_is_no_plain_object_is_refused(
    get: Callable[[str], Any], payload: bytes
) -> None:
    """A well signed payload that parsers disagree on never becomes a 500."""
    _assert_refused(get(f"JWT {signing_key().sign(signing_key().header(), payload)}"))


def test_duplicate_names_are_refused(get: Callable[[str], Any]) -> None:
    """Two parsers may read two different users from a name that stands twice."""
    claims = access_claims()
    doubled = json.dumps(claims)[:-1] + f', "id": "{claims["id"]}"' + "}"

    _assert_refused(get(f"JWT {signing_key().sign(signing_key().header(), doubled.encode())}"))


@pytest.mark.parametrize(
    "value",
    [
        "JWT",
        "JWT ",
        "JWT x",
        "JWT a.b",
        "JWT a.b.c.d",
        "JWT a.b.!",
        "JWT ..",
        "JWT a b",
        "Basic YTpi",
        "JWT " + "a" * 9000,
        "JWT a.b.c\u00e9",
        "JWT " + base64.b64encode(b"{}").decode() + ".e30.e30",
    ],
)
def test_what_is_no_token_is_refused(get: Callable[[str], Any], value: str) -> None:
    """Rubbish in the header is a 401, whatever its form."""
    _assert_refused(get(value))


@pytest.mark.parametrize("path", ["/plain", "/rest"])
def test_no_token_is_a_challenge(client: Client, path: str) -> None:
    """Without a header the answer says how to authenticate, not that something was wrong."""
    answer = client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_clock_skew_within_the_leeway_is_forgiven(get: Callable[[str], Any]) -> None:
    """Two machines whose clocks differ by 20 s still work together."""
    answer = get(f"JWT {signing_key().access_token(iat=int(time.time()) + 20)}")

    assert answer.status_code == 200


def test_our_tokens_are_what_a_stock_library_calls_valid() -> None:
    """The fixtures' tokens are real: PyJWT accepts them, so a refusal above is ours."""
    key = signing_key()

    claims = jwt.decode(
        key.access_token(),
        key.private.public_key(),
        algorithms=["RS256"],
        audience="billing-service",
        issuer="http://gateway.test",
    )

    assert claims["token_type"] == "access"


def _assert_refused(answer: Any) -> None:
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_not_valid"
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'

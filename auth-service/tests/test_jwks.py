"""The published keys, as verifiers and caches see them."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator

import httpx
import pytest
from joserfc import jwt as third_party_jwt
from joserfc.jwk import KeySet, RSAKey
from sqlalchemy import event

from auth_service.users.accounts import User
from tests.conftest import Service

JWKS = "/.well-known/jwks.json"


def test_there_is_one_rsa_key_named_by_its_thumbprint(http: httpx.Client) -> None:
    """Everyone can check that the kid belongs to the key (RFC 7638)."""
    (key,) = http.get(JWKS).json()["keys"]

    canonical = json.dumps({name: key[name] for name in ("e", "kty", "n")}, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).digest()
    assert key["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert key["kid"] == RSAKey.import_key(key).thumbprint()
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}, "no private member is published"


def test_another_library_verifies_our_tokens_with_it(
    http: httpx.Client, obtain: Callable[..., httpx.Response], add_user: Callable[..., User]
) -> None:
    """The key set is not written for our own verifier only."""
    user = add_user()
    access = obtain().json()["access"]

    keys = KeySet.import_key_set(http.get(JWKS).json())
    verified = third_party_jwt.decode(access, keys, algorithms=["RS256"])

    assert verified.claims["sub"] == str(user.id)
    assert verified.header["typ"] == "at+jwt"


def test_caches_may_keep_it_for_a_minute_and_in_an_outage_for_a_day(
    http: httpx.Client,
) -> None:
    """Other services can verify tokens during an outage of auth-service."""
    answer = http.get(JWKS)

    assert answer.headers["Cache-Control"] == "public, max-age=60, stale-if-error=86400"
    assert answer.headers["Content-Type"] == "application/jwk-set+json"


@pytest.mark.parametrize("wrap", ["{}", "W/{}", '"other", {}', "*"])
def test_a_cache_that_has_the_current_set_gets_an_empty_304(http: httpx.Client, wrap: str) -> None:
    """Asking often costs next to nothing (RFC 9110 §13.1.2)."""
    etag = http.get(JWKS).headers["ETag"]

    answer = http.get(JWKS, headers={"If-None-Match": wrap.format(etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag
    assert "max-age=60" in answer.headers["Cache-Control"]


def test_a_cache_with_an_older_set_gets_the_new_one(http: httpx.Client) -> None:
    """A new key reaches every cache."""
    answer = http.get(JWKS, headers={"If-None-Match": '"older"'})

    assert answer.status_code == 200
    assert answer.json()["keys"]


def test_it_answers_with_and_without_the_trailing_slash(http: httpx.Client) -> None:
    """As every path of this service does."""
    assert http.get(f"{JWKS}/").json() == http.get(JWKS).json()


@pytest.fixture
def borrowed(service: Service) -> Iterator[list[object]]:
    """Every connection that is taken from a pool."""
    seen: list[object] = []

    def note(connection: object, _record: object, _proxy: object) -> None:
        seen.append(connection)

    pools = (service.state.engine, service.state.autocommit)
    for pool in pools:
        event.listen(pool, "checkout", note)
    yield seen
    for pool in pools:
        event.remove(pool, "checkout", note)


def test_no_database_is_needed(http: httpx.Client, borrowed: list[object]) -> None:
    """Whatever happens to the database, tokens that were issued can be verified."""
    assert http.get("/readyz").status_code == 200
    assert borrowed, "the fixture notices the use of the database"
    borrowed.clear()

    assert http.get(JWKS).status_code == 200
    assert borrowed == []

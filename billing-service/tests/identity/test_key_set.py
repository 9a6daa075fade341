"""Which key sets, and which keys in them, are accepted from auth-service."""

from collections.abc import Callable

import pytest

from identity.errors import InvalidAccessToken
from identity.key_fetcher import KeyFetcher
from identity.key_set import thumbprint
from tests.auth_stand_in import AuthStandIn
from tests.identity.key_fetching import JWKS, refusal
from tests.signing import signing_key


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": [null, 1, "x"]}',
        b'{"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "x", "n": 1, "e": 2}]}',
        b'{"keys": [' + b" " * 65_536 + b"]}",
        b"[" * 60_000,
    ],
)
def test_a_bad_set_never_replaces_a_good_one(
    serving: KeyFetcher, auth_service: AuthStandIn, document: bytes
) -> None:
    """Whatever auth-service's address answers, users with good tokens stay logged in."""
    auth_service.jwks_document = document
    serving.fetch_once()

    assert auth_service.count("GET", JWKS) == 2
    assert serving.key(signing_key().kid)


@pytest.mark.parametrize("flaw", ["short", "kid", "use", "alg", "private"])
def test_a_key_we_would_not_trust_is_left_out(
    start: Callable[[], KeyFetcher], auth_service: AuthStandIn, flaw: str
) -> None:
    """Only 2048-bit RS256 signature keys that carry their thumbprint verify anything."""
    jwk = dict(signing_key(3, bits=1024 if flaw == "short" else 2048).jwk)
    jwk |= {
        "short": {},
        "kid": {"kid": "B" * 43},
        "use": {"use": "enc"},
        "alg": {"alg": "RS512"},
        "private": {"d": "AQAB"},
    }[flaw]
    auth_service.published = [signing_key(), type(signing_key())(signing_key().private, jwk)]
    fetcher = start()

    assert fetcher.key(signing_key().kid)
    assert refusal(fetcher, jwk["kid"]) is InvalidAccessToken


def test_the_kid_is_the_thumbprint_of_rfc_7638() -> None:
    """The RFC's own example, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
        "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2"
        "QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh"
        "6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )

    kid = thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})

    assert kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

"""Logging in: what a user gets, and what an attacker cannot find out."""

from collections.abc import Callable

import httpx
import pytest
from argon2 import PasswordHasher
from joserfc import jwt as third_party_jwt
from joserfc.jwk import KeySet
from sqlalchemy import update

from auth_service.passwords.hashing import needs_rehash
from auth_service.tables import users
from auth_service.users.accounts import User, find_with_hash
from tests.conftest import PASSWORD, MovableClock, Service

Obtain = Callable[..., httpx.Response]
AddUser = Callable[..., User]


def claims_of(token: str, http: httpx.Client) -> dict[str, object]:
    """Verify a token as a service in another language would: from the JWKS, by another library."""
    keys = KeySet.import_key_set(http.get("/.well-known/jwks.json").json())
    return third_party_jwt.decode(token, keys, algorithms=["RS256"]).claims


def test_a_user_gets_both_tokens(http: httpx.Client, obtain: Obtain, add_user: AddUser) -> None:
    """The access token has the documented claims, and any JWT library verifies it."""
    user = add_user()

    answer = obtain()

    assert answer.status_code == 200
    assert set(answer.json()) == {"refresh", "access"}
    assert answer.headers["Cache-Control"] == "no-store"
    access = claims_of(answer.json()["access"], http)
    refresh = claims_of(answer.json()["refresh"], http)
    assert access | {"exp": 0, "iat": 0, "jti": ""} == {
        "token_type": "access",
        "exp": 0,
        "iat": 0,
        "jti": "",
        "id": str(user.id),
        "sub": str(user.id),
        "iss": "http://localhost:8000",
        "aud": ["auth-service", "billing-service"],
        "app_name": "Stripe Assignment",
        "auth_epoch": 1,
        "sid": refresh["family"],
    }
    assert access["exp"] == access["iat"] + 300  # type: ignore[operator] # both are numbers
    assert refresh["exp"] == refresh["iat"] + 86_400  # type: ignore[operator] # as above
    assert (refresh["token_type"], refresh["aud"]) == ("refresh", ["auth-service"])


def test_a_right_is_a_claim_only_if_the_user_has_it(
    http: httpx.Client, obtain: Obtain, add_user: AddUser
) -> None:
    """A superuser's token has the claim `is_superuser`."""
    add_user("root", is_staff=True, is_superuser=True)

    claims = claims_of(obtain("root").json()["access"], http)

    assert (claims["is_staff"], claims["is_superuser"]) == (True, True)


@pytest.mark.parametrize("path", ["/api/token/obtain", "/api/token/obtain/"])
def test_the_trailing_slash_does_not_matter(
    http: httpx.Client, add_user: AddUser, path: str
) -> None:
    """There is no redirect, which would lose the body of a POST."""
    add_user()
    assert http.post(path, json={"username": "ada", "password": PASSWORD}).status_code == 200


def test_a_username_is_found_in_every_spelling(obtain: Obtain, add_user: AddUser) -> None:
    """Upper and lower case, and compatibility forms of a letter, are one name."""
    add_user("Ada")
    assert obtain("ADA").status_code == 200
    assert obtain("\uff21da").status_code == 200


def test_unknown_wrong_and_inactive_cannot_be_distinguished(
    obtain: Obtain, add_user: AddUser
) -> None:
    """Status, body and headers do not show whether the username exists."""
    add_user("ada")
    add_user("gone", is_active=False)

    answers = [obtain("unknown"), obtain("ada", "wrong password"), obtain("gone")]

    assert {a.status_code for a in answers} == {401}
    assert len({a.text for a in answers}) == 1
    volatile = ("date", "x-request-id")
    headers = [{k: v for k, v in a.headers.items() if k not in volatile} for a in answers]
    assert headers[0] == headers[1] == headers[2]
    assert answers[0].headers["WWW-Authenticate"].startswith('Bearer realm="api", error=')
    assert answers[0].json()["code"] == "invalid_credentials"


def test_a_log_in_sets_the_last_log_in(
    service: Service, obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """Staff see when a user last logged in."""
    add_user()
    clock.advance(hours=1)

    obtain()

    with service.engine.connect() as connection:
        found = find_with_hash(connection, "ada")
    assert found is not None
    assert found[0].last_login_at is not None
    assert found[0].last_login_at > found[0].created_at


def test_an_old_hash_is_renewed_at_log_in(
    service: Service, obtain: Obtain, add_user: AddUser
) -> None:
    """A hash with weaker parameters is replaced when its user logs in."""
    user = add_user()
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with service.engine.begin() as connection:
        connection.execute(update(users).where(users.c.id == user.id).values(password_hash=weak))

    assert obtain().status_code == 200

    with service.engine.connect() as connection:
        found = find_with_hash(connection, "ada")
    assert found is not None
    assert not needs_rehash(found[1])
    assert obtain().status_code == 200

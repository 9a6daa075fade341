"""What the holder of an access token can do with the own account."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from auth_service.audit import Origin
from auth_service.passwords.hashing import hash_password
from auth_service.users import changes
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, MovableClock, Service

Obtain = Callable[..., httpx.Response]
Refresh = Callable[[str], httpx.Response]
NEW_PASSWORD = "another fine passphrase"


@pytest.fixture
def ada(add_user: Callable[..., User]) -> User:
    """An ordinary account."""
    return add_user(email="ada@example.org")


@pytest.fixture
def pair(ada: User, obtain: Obtain) -> dict[str, str]:
    """Her tokens."""
    tokens: dict[str, str] = obtain().json()
    return tokens


@pytest.fixture
def as_ada(http: httpx.Client, pair: dict[str, str]) -> Iterator[httpx.Client]:
    """A client that sends her access token the original's way."""
    headers = {"Authorization": f"JWT {pair['access']}"}
    with httpx.Client(base_url=http.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.mark.parametrize("scheme", ["JWT", "jwt", "Bearer", "bearer"])
def test_both_schemes_are_understood(
    http: httpx.Client, ada: User, pair: dict[str, str], scheme: str
) -> None:
    """The original's `JWT` and the standard's `Bearer`, in any case."""
    answer = http.get("/api/token/me", headers={"Authorization": f"{scheme} {pair['access']}"})

    assert answer.status_code == 200
    assert answer.json() | {"created_at": "", "last_login_at": ""} == {
        "id": str(ada.id),
        "username": "ada",
        "email": "ada@example.org",
        "is_staff": False,
        "is_superuser": False,
        "created_at": "",
        "last_login_at": "",
    }
    assert answer.json()["created_at"].endswith("Z")


@pytest.mark.parametrize("endpoint", ["me", "password", "revoke-all"])
def test_without_a_token_the_answer_asks_for_one(http: httpx.Client, endpoint: str) -> None:
    """A 401 without an error code, as RFC 6750 wants it where no token was sent."""
    answer = http.request("GET" if endpoint == "me" else "POST", f"/api/token/{endpoint}", json={})

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("authorization", ["Basic YTpi", "JWT", "JWT  x", "nonsense"])
def test_other_credentials_are_refused(http: httpx.Client, authorization: str) -> None:
    """Neither another scheme nor an empty token is an error of the server."""
    answer = http.get("/api/token/me", headers={"Authorization": authorization})
    assert answer.status_code == 401


def test_an_expired_access_token_is_refused(as_ada: httpx.Client, clock: MovableClock) -> None:
    """Five minutes after the log-in it is over, and the answer says so to the client."""
    clock.advance(seconds=300)
    answer = as_ada.get("/api/token/me")

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_refresh_token_opens_nothing_else(http: httpx.Client, pair: dict[str, str]) -> None:
    """It is good at the refresh endpoint alone."""
    headers = {"Authorization": f"Bearer {pair['refresh']}"}
    assert http.get("/api/token/me", headers=headers).status_code == 401


def test_revoke_all_ends_every_session(
    as_ada: httpx.Client, pair: dict[str, str], obtain: Obtain, refresh: Refresh
) -> None:
    """A lost phone is logged out from the laptop, and so is the laptop."""
    phone = obtain().json()["refresh"]

    assert as_ada.post("/api/token/revoke-all").status_code == 204

    assert refresh(phone).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401
    assert as_ada.get("/api/token/me").status_code == 401
    assert obtain().status_code == 200


def test_revoke_ends_one_session(
    http: httpx.Client, pair: dict[str, str], obtain: Obtain, refresh: Refresh
) -> None:
    """A log-out here leaves the other device alone; JSON and the standard's form both do it."""
    phone = obtain().json()["refresh"]

    assert http.post("/api/token/revoke", data={"token": pair["refresh"]}).status_code == 200
    assert refresh(pair["refresh"]).status_code == 401
    assert refresh(phone).status_code == 200

    assert http.post("/api/token/revoke", json={"token": phone}).status_code == 200
    assert refresh(phone).status_code == 401


def test_a_used_token_still_revokes_its_family(
    http: httpx.Client, pair: dict[str, str], refresh: Refresh
) -> None:
    """Logging out with an older token ends the session that grew from it."""
    head = refresh(pair["refresh"]).json()["refresh"]
    http.post("/api/token/revoke", json={"token": pair["refresh"]})
    assert refresh(head).status_code == 401


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "x" * 8000])
def test_revoking_what_is_no_token_succeeds(http: httpx.Client, token: str) -> None:
    """The caller's aim is reached (RFC 7009 §2.2)."""
    assert http.post("/api/token/revoke", data={"token": token}).status_code == 200


def test_revoking_an_access_token_changes_nothing(
    http: httpx.Client, as_ada: httpx.Client, pair: dict[str, str]
) -> None:
    """Access tokens live five minutes; to end them at once there is revoke-all."""
    assert http.post("/api/token/revoke", json={"token": pair["access"]}).status_code == 200
    assert as_ada.get("/api/token/me").status_code == 200


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_verify_shows_the_claims(
    http: httpx.Client, ada: User, pair: dict[str, str], kind: str
) -> None:
    """A service that cannot verify signatures asks here."""
    answer = http.post("/api/token/verify", json={"token": pair[kind]})

    assert answer.status_code == 200
    assert (answer.json()["token_type"], answer.json()["sub"]) == (kind, str(ada.id))


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_verify_notices_a_deactivation_at_once(
    service: Service, http: httpx.Client, ada: User, pair: dict[str, str], kind: str
) -> None:
    """A signature alone would be good for minutes to come."""
    origin = Origin(source="test")
    with changes.change(service.engine, origin=origin, now=service.clock()) as change:
        changes.deactivate(change, ada.id)
    assert http.post("/api/token/verify", json={"token": pair[kind]}).status_code == 401


def test_verify_refuses_a_used_up_session(
    http: httpx.Client, pair: dict[str, str], refresh: Refresh, clock: MovableClock
) -> None:
    """A refresh token that would not refresh is not called good."""
    refresh(pair["refresh"])
    clock.advance(seconds=11)
    assert http.post("/api/token/verify", json={"token": pair["refresh"]}).status_code == 401


def test_a_new_password_ends_the_other_sessions(
    as_ada: httpx.Client, obtain: Obtain, refresh: Refresh
) -> None:
    """The caller goes on with fresh tokens; whoever else was logged in is out."""
    elsewhere = obtain().json()["refresh"]
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

    answer = as_ada.post("/api/token/password", json=body)

    assert answer.status_code == 200
    assert refresh(elsewhere).status_code == 401
    assert refresh(answer.json()["refresh"]).status_code == 200
    assert as_ada.get("/api/token/me").status_code == 401
    assert obtain(password=PASSWORD).status_code == 401
    assert obtain(password=NEW_PASSWORD).status_code == 200


def test_the_current_password_is_asked_for(as_ada: httpx.Client, obtain: Obtain) -> None:
    """A stolen access token cannot take over the account."""
    body = {"current_password": "a wrong guess", "new_password": NEW_PASSWORD}
    answer = as_ada.post("/api/token/password", json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    assert obtain().status_code == 200


def test_a_change_under_way_does_not_undo_what_staff_did(
    service: Service,
    as_ada: httpx.Client,
    ada: User,
    obtain: Obtain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever stole the old password is out when staff set a new one, however busy they are."""

    async def overtaken(*args: object, **options: object) -> str:
        origin = Origin(source="test")
        with changes.change(service.engine, origin=origin, now=service.clock()) as change:
            changes.set_password(change, ada.id, password_hash=hash_password("set by staff"))
        return hash_password(NEW_PASSWORD)

    monkeypatch.setattr("auth_service.routes.account.acceptable_hash", overtaken)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = as_ada.post("/api/token/password", json=body)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert obtain(password=NEW_PASSWORD).status_code == 401
    assert obtain(password="set by staff").status_code == 200


def test_guessing_the_current_password_is_throttled(as_ada: httpx.Client) -> None:
    """Nor can it be used to try passwords."""
    body = {"current_password": "a wrong guess", "new_password": NEW_PASSWORD}
    statuses = [as_ada.post("/api/token/password", json=body).status_code for _ in range(6)]
    assert statuses == [403] * 5 + [429]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("password123", "password_too_common"),
        ("PassWord123", "password_too_common"),
    ],
)
def test_poor_passwords_are_refused(as_ada: httpx.Client, password: str, code: str) -> None:
    """The answer says what is wrong, in a sentence and in a stable word."""
    body = {"current_password": PASSWORD, "new_password": password}
    answer = as_ada.post("/api/token/password", json=body)

    assert answer.status_code == 400
    assert answer.json()["error_codes"] == {"new_password": [code]}
    assert answer.json()["errors"]["new_password"][0].endswith(".")


def test_the_name_is_no_password(as_billing: httpx.Client) -> None:
    """The account's name is what everybody tries first."""
    body = {"username": "Archimedes", "password": "archimedes"}
    answer = as_billing.post("/internal/users", json=body)
    assert answer.json()["error_codes"] == {"password": ["password_is_username"]}


def test_length_counts_in_bytes(as_ada: httpx.Client) -> None:
    """Four letters of two bytes each are eight bytes, and enough."""
    body = {"current_password": PASSWORD, "new_password": "жщюя"}
    assert as_ada.post("/api/token/password", json=body).status_code == 200

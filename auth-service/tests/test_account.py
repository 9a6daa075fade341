"""What callers with an access token can do with their own account."""

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
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
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
    """A client that sends her access token with the scheme `JWT`."""
    headers = {"Authorization": f"JWT {pair['access']}"}
    with httpx.Client(base_url=http.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.mark.parametrize("scheme", ["JWT", "jwt", "Bearer", "bearer"])
def test_both_schemes_are_understood(
    http: httpx.Client, ada: User, pair: dict[str, str], scheme: str
) -> None:
    """`JWT`, and `Bearer` of RFC 6750, in upper or lower case."""
    answer = http.get("/api/token/me", headers={"Authorization": f"{scheme} {pair['access']}"})

    assert answer.status_code == 200
    assert answer.json() | {"created_at": "", "last_login_at": ""} == {
        "id": str(ada.id),
        "username": "ada",
        "email": "ada@example.org",
        "email_verified_at": None,
        "is_staff": False,
        "is_superuser": False,
        "created_at": "",
        "last_login_at": "",
        "second_factor_at": None,
    }
    assert answer.json()["created_at"].endswith("Z")


@pytest.mark.parametrize("endpoint", ["me", "password", "revoke-all"])
def test_without_a_token_the_answer_asks_for_one(http: httpx.Client, endpoint: str) -> None:
    """A 401 without an error code, as RFC 6750 §3.1 requires if no token was sent."""
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
    """Five minutes and the leeway after the log-in, the response is the 401 of RFC 6750."""
    clock.advance(seconds=305)
    answer = as_ada.get("/api/token/me")

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_refresh_token_is_refused_elsewhere(http: httpx.Client, pair: dict[str, str]) -> None:
    """It is accepted by the refresh endpoint only."""
    headers = {"Authorization": f"Bearer {pair['refresh']}"}
    assert http.get("/api/token/me", headers=headers).status_code == 401


def test_revoke_all_revokes_every_session(
    as_ada: httpx.Client, pair: dict[str, str], obtain: Obtain, refresh: Refresh
) -> None:
    """A lost phone is logged out from the laptop, and so is the laptop."""
    phone = obtain().json()["refresh"]

    assert as_ada.post("/api/token/revoke-all").status_code == 204

    assert refresh(phone).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401
    assert as_ada.get("/api/token/me").status_code == 401
    assert obtain().status_code == 200


def test_revoke_revokes_one_session(
    http: httpx.Client, pair: dict[str, str], obtain: Obtain, refresh: Refresh
) -> None:
    """Other devices stay logged in. The request may be JSON or the form of RFC 7009."""
    phone = obtain().json()["refresh"]

    assert http.post("/api/token/revoke", data={"token": pair["refresh"]}).status_code == 200
    assert refresh(pair["refresh"]).status_code == 401
    assert refresh(phone).status_code == 200

    assert http.post("/api/token/revoke", json={"token": phone}).status_code == 200
    assert refresh(phone).status_code == 401


def test_a_media_type_is_read_without_regard_to_case(
    http: httpx.Client, pair: dict[str, str], refresh: Refresh
) -> None:
    """`Application/X-WWW-Form-Urlencoded` is a form too (RFC 9110 §8.3.1)."""
    headers = {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
    answer = http.post("/api/token/revoke", content=f"token={pair['refresh']}", headers=headers)

    assert answer.status_code == 200
    assert refresh(pair["refresh"]).status_code == 401


def test_the_refusal_of_a_form_speaks_of_a_form(http: httpx.Client) -> None:
    """A caller who sent a form is not asked to send JSON."""
    answer = http.post("/api/token/revoke", content="token=a&token=b", headers=FORM)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert answer.json()["detail"].startswith("Send a form")


def test_a_used_token_still_revokes_its_family(
    http: httpx.Client, pair: dict[str, str], refresh: Refresh
) -> None:
    """A log-out with an older token revokes the tokens that followed it."""
    head = refresh(pair["refresh"]).json()["refresh"]
    http.post("/api/token/revoke", json={"token": pair["refresh"]})
    assert refresh(head).status_code == 401


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "x" * 8000])
def test_revoking_an_unknown_token_succeeds(http: httpx.Client, token: str) -> None:
    """The caller's aim is reached (RFC 7009 §2.2)."""
    assert http.post("/api/token/revoke", data={"token": token}).status_code == 200


def test_revoking_an_access_token_changes_nothing(
    http: httpx.Client, as_ada: httpx.Client, pair: dict[str, str]
) -> None:
    """Access tokens expire after five minutes; revoke-all revokes them at once."""
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
    """The signature alone would stay valid for minutes."""
    origin = Origin(client="test")
    with changes.change(service.engine, origin=origin, now=service.clock()) as change:
        changes.deactivate(change, ada.id)
    assert http.post("/api/token/verify", json={"token": pair[kind]}).status_code == 401


def test_verify_refuses_a_revoked_session(
    http: httpx.Client, pair: dict[str, str], refresh: Refresh, clock: MovableClock
) -> None:
    """A refresh token that could not be refreshed is not valid."""
    refresh(pair["refresh"])
    clock.advance(seconds=11)
    assert http.post("/api/token/verify", json={"token": pair["refresh"]}).status_code == 401


def test_a_new_password_revokes_the_other_sessions(
    as_ada: httpx.Client, obtain: Obtain, refresh: Refresh
) -> None:
    """The caller gets new tokens; all other sessions are logged out."""
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
    """An intruder with the old password stays out after staff have set a new one."""

    async def overtaken(*args: object, **options: object) -> str:
        origin = Origin(client="test")
        with changes.change(service.engine, origin=origin, now=service.clock()) as change:
            changes.set_password(change, ada.id, password_hash=hash_password("set by staff"))
        return hash_password(NEW_PASSWORD)

    monkeypatch.setattr("auth_service.routes.account.hash_new_password", overtaken)
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    answer = as_ada.post("/api/token/password", json=body)

    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert obtain(password=NEW_PASSWORD).status_code == 401
    assert obtain(password="set by staff").status_code == 200


def test_guessing_the_current_password_is_throttled(as_ada: httpx.Client) -> None:
    """A stolen access token cannot be used to guess the password."""
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
    """The response says what is wrong, in a sentence and in a stable code."""
    body = {"current_password": PASSWORD, "new_password": password}
    answer = as_ada.post("/api/token/password", json=body)

    assert answer.status_code == 400
    assert answer.json()["error_codes"] == {"new_password": [code]}
    assert answer.json()["errors"]["new_password"][0].endswith(".")


def test_the_username_is_refused_as_a_password(as_billing: httpx.Client) -> None:
    """It is the first guess of every attacker."""
    body = {"username": "Archimedes", "password": "archimedes"}
    answer = as_billing.post("/internal/users", json=body)
    assert answer.json()["error_codes"] == {"password": ["password_is_username"]}


def test_length_counts_in_characters(as_ada: httpx.Client) -> None:
    """Seven letters of two bytes each are too few, and eight are enough."""
    body = {"current_password": PASSWORD, "new_password": "жщюяфыв"}
    assert as_ada.post("/api/token/password", json=body).json()["error_codes"] == {
        "new_password": ["password_too_short"]
    }
    body["new_password"] = "жщюяфывэ"
    assert as_ada.post("/api/token/password", json=body).status_code == 200

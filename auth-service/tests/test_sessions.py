"""A user's own sessions: seen in a list, ended one by one or all but the current one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from sqlalchemy import select, text, update

from auth_service.audit import Origin
from auth_service.tables import audit_event, refresh_family
from auth_service.users import changes
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, MovableClock, Service

AddUser = Callable[..., User]
Refresh = Callable[[str], httpx.Response]
SESSIONS = "/api/token/sessions"


class Device:
    """A browser or program of one user, with its latest tokens."""

    def __init__(self, http: httpx.Client, username: str, agent: str, client_ip: str) -> None:
        headers = {"User-Agent": agent, "X-Forwarded-For": client_ip}
        body = {"username": username, "password": PASSWORD}
        answer = http.post("/api/token/obtain", json=body, headers=headers)
        assert answer.status_code == 200
        self.http = http
        self.tokens: dict[str, str] = answer.json()

    def call(self, method: str, path: str) -> httpx.Response:
        """Send a request with the access token."""
        header = {"Authorization": f"Bearer {self.tokens['access']}"}
        return self.http.request(method, path, headers=header)

    def list(self) -> list[dict[str, Any]]:
        """Return the sessions that this device sees."""
        answer = self.call("GET", SESSIONS)
        assert answer.status_code == 200
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def refresh(self) -> int:
        """Refresh and keep the new tokens; return the status."""
        answer = self.http.post("/api/token/refresh", json={"refresh": self.tokens["refresh"]})
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer.status_code


@pytest.fixture
def device(http: httpx.Client, add_user: AddUser) -> Callable[..., Device]:
    """Log in from another device; a user is created at the first one."""
    known: set[str] = set()

    def log_in(
        username: str = "ada", *, agent: str = "Firefox", client_ip: str = "192.0.2.1"
    ) -> Device:
        if username not in known:
            add_user(username)
            known.add(username)
        return Device(http, username, agent, client_ip)

    return log_in


def recorded(service: Service, action: str) -> list[Any]:
    """Return the events of one kind, oldest first."""
    query = select(audit_event).where(audit_event.c.action == action).order_by(audit_event.c.id)
    with service.engine.connect() as connection:
        return list(connection.execute(query))


def test_a_user_sees_where_they_are_logged_in(
    device: Callable[..., Device], clock: MovableClock
) -> None:
    """Each session with its program, address and times, the current one first."""
    clock.stop()
    phone = device(agent="Phone/1.0", client_ip="198.51.100.7")
    clock.advance(minutes=2)
    laptop = device(agent="Firefox", client_ip="2001:db8::5")
    clock.advance(minutes=2)
    assert phone.refresh() == 200

    seen_by_laptop, seen_by_phone = laptop.list(), phone.list()

    assert [(s["user_agent"], s["current"]) for s in seen_by_laptop] == [
        ("Firefox", True),
        ("Phone/1.0", False),
    ]
    assert [s["current"] for s in seen_by_phone] == [True, False]
    assert [s["client_ip"] for s in seen_by_phone] == ["198.51.100.7", "2001:db8::5"]
    created, used = (
        datetime.fromisoformat(seen_by_phone[0][name]) for name in ("created_at", "last_used_at")
    )
    assert 239 < (used - created).total_seconds() <= 240


def test_the_list_is_not_cached(device: Callable[..., Device]) -> None:
    """It is personal."""
    assert device().call("GET", SESSIONS).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Mozilla/5.0\t (X11)", "Mozilla/5.0 (X11)"),
        ("x" * 5000, "x" * 200),
        ("safe\x85\xadnot", "safe not"),
        ("", None),
    ],
)
def test_a_user_agent_is_short_and_plain_text(
    device: Callable[..., Device], sent: str, shown: str | None
) -> None:
    """A header that anyone can fill cannot garble the list or the log, nor fill the disk."""
    agent: Any = sent.encode("latin-1")
    assert device(agent=agent).list()[0]["user_agent"] == shown


def test_an_ended_session_cannot_refresh(device: Callable[..., Device], service: Service) -> None:
    """A user who lost a phone ends its session from the laptop; the laptop stays logged in."""
    phone, laptop = device(agent="Phone"), device(client_ip="203.0.113.9")
    (lost,) = (s["id"] for s in laptop.list() if not s["current"])

    answer = laptop.call("DELETE", f"{SESSIONS}/{lost}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert phone.refresh() == 401
    assert phone.call("GET", "/api/token/me").status_code == 401
    assert (
        phone.http.post("/api/token/verify", json={"token": phone.tokens["access"]}).status_code
        == 401
    )
    assert laptop.refresh() == 200
    assert [s["current"] for s in laptop.list()] == [True]
    (event,) = recorded(service, "session.ended")
    assert (event.source, event.detail["session"]) == ("127.0.0.1", lost)
    assert event.detail["reason"] == "ended"
    assert event.actor_id == event.user_id


def test_ending_a_session_again_is_404(device: Callable[..., Device], service: Service) -> None:
    """And it is recorded once."""
    device()
    laptop = device()
    path = f"{SESSIONS}/{laptop.list()[1]['id']}"

    assert [laptop.call("DELETE", path).status_code for _ in range(2)] == [204, 404]
    assert laptop.call("DELETE", path).json()["code"] == "session_not_found"
    assert len(recorded(service, "session.ended")) == 1


def test_other_users_sessions_are_404(device: Callable[..., Device]) -> None:
    """As if they did not exist, and they stay."""
    ada, eve = device("ada"), device("eve")
    (target,) = (s["id"] for s in ada.list())

    answers = [eve.call("DELETE", f"{SESSIONS}/{each}") for each in (target, uuid4())]

    assert [a.status_code for a in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert [s["id"] for s in eve.list()] != [target]
    assert ada.refresh() == 200


def test_a_session_can_end_itself(device: Callable[..., Device]) -> None:
    """As a log-out does."""
    laptop = device()
    assert laptop.call("DELETE", f"{SESSIONS}/{laptop.list()[0]['id']}").status_code == 204
    assert laptop.refresh() == 401
    assert laptop.call("GET", SESSIONS).status_code == 401


def test_all_other_sessions_end_at_once(device: Callable[..., Device], service: Service) -> None:
    """The current one stays; other users' stay; it is one event in the log."""
    others = [device() for _ in range(3)]
    stranger, laptop = device("eve"), device()

    assert laptop.call("POST", f"{SESSIONS}/end-others").status_code == 204
    assert laptop.call("POST", f"{SESSIONS}/end-others").status_code == 204

    assert [each.refresh() for each in others] == [401, 401, 401]
    assert (laptop.refresh(), stranger.refresh()) == (200, 200)
    (event,) = recorded(service, "session.ended")
    assert event.detail["sessions"] == 3
    assert event.detail["reason"] == "others_ended"


def test_a_log_out_ends_the_session_in_the_list(
    device: Callable[..., Device], service: Service
) -> None:
    """`POST /api/token/revoke`, recorded once however often it is sent."""
    phone, laptop = device(agent="Phone"), device()
    for _ in range(2):
        body = {"token": phone.tokens["refresh"]}
        assert phone.http.post("/api/token/revoke", json=body).status_code == 200

    assert [s["current"] for s in laptop.list()] == [True]
    assert phone.call("GET", "/api/token/me").status_code == 401
    (event,) = recorded(service, "session.ended")
    assert event.detail["reason"] == "log_out"


def test_expired_and_outdated_sessions_are_not_listed(
    device: Callable[..., Device], service: Service, clock: MovableClock
) -> None:
    """What can no longer be refreshed is no session."""
    device(agent="expires")
    clock.advance(hours=25)
    outdated = device(agent="outdated")
    user_id = outdated.call("GET", "/api/token/me").json()["id"]
    origin, now = Origin(client="test"), clock()
    with changes.change(service.engine, origin=origin, now=now) as change:
        changes.revoke_tokens(change, user_id)

    assert [s["user_agent"] for s in device(agent="now").list()] == ["now"]


def test_a_session_of_an_earlier_release_has_no_origin(
    device: Callable[..., Device], service: Service
) -> None:
    """Its log-in was not described; it is listed and can be ended like any other."""
    phone, laptop = device(), device()
    claims = jwt.decode(phone.tokens["refresh"], options={"verify_signature": False})
    unknown = {"created_at": None, "user_agent": None, "client_ip": None}
    with service.engine.begin() as connection:
        old = refresh_family.c.id == claims["family"]
        connection.execute(update(refresh_family).where(old).values(**unknown))

    (session,) = (s for s in laptop.list() if s["id"] == claims["family"])

    assert {name: session[name] for name in unknown} == unknown
    assert phone.refresh() == 200
    assert laptop.call("DELETE", f"{SESSIONS}/{session['id']}").status_code == 204


def test_an_access_token_of_an_earlier_release_is_refreshed_first(
    device: Callable[..., Device], service: Service
) -> None:
    """It does not name its session, so nothing is known to be another one; all else works."""
    laptop = device()
    unnamed = jwt.decode(laptop.tokens["access"], options={"verify_signature": False})
    del unnamed["sid"]
    key = service.state.keys.signing_key(service.clock())
    header = {"kid": key.kid, "typ": "at+jwt"}
    laptop.tokens["access"] = jwt.encode(unnamed, key.private_key, "RS256", headers=header)

    assert [s["current"] for s in laptop.list()] == [False]
    assert laptop.call("GET", "/api/token/me").status_code == 200
    assert laptop.call("POST", f"{SESSIONS}/end-others").status_code == 401
    assert laptop.refresh() == 200
    assert laptop.call("POST", f"{SESSIONS}/end-others").status_code == 204


def test_a_log_in_without_a_refresh_token_is_a_short_session(
    device: Callable[..., Device], http: httpx.Client, service: Service, clock: MovableClock
) -> None:
    """As the admin's log-in, which has a session of its own: it does not stay in the list."""
    laptop = device(agent="laptop")
    body = {"username": "ada", "password": PASSWORD, "refresh_in": "none"}

    answer = http.post("/api/token/obtain", json=body, headers={"User-Agent": "admin"})

    assert (answer.status_code, set(answer.json())) == (200, {"access"})
    assert "set-cookie" not in answer.headers
    assert {s["user_agent"] for s in laptop.list()} == {"laptop", "admin"}
    assert len(recorded(service, "login.granted")) == 2
    clock.advance(seconds=301)
    laptop.refresh()
    assert [s["user_agent"] for s in laptop.list()] == ["laptop"]


def test_the_list_is_bounded(device: Callable[..., Device], service: Service) -> None:
    """A user with thousands of sessions gets the current one and the latest used."""
    laptop = device(agent="current")
    user_id = laptop.call("GET", "/api/token/me").json()["id"]
    with service.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO refresh_family"
                " (id, user_id, epoch, head_jti, head_iat, head_exp, absolute_exp)"
                " SELECT gen_random_uuid(), :user, 1, gen_random_uuid(), :now + n, :now + 60,"
                " :now + 60 FROM generate_series(1, 3000) AS n"
            ),
            {"user": user_id, "now": int(service.clock().timestamp())},
        )

    listed = laptop.list()

    assert len(listed) == 100
    assert (listed[0]["user_agent"], listed[0]["current"]) == ("current", True)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", f"/{uuid4()}"), ("POST", "/end-others")],
)
def test_sessions_need_an_access_token(http: httpx.Client, method: str, path: str) -> None:
    """Anyone else gets a 401."""
    answer = http.request(method, SESSIONS + path)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_a_log_in_too_many_ends_the_session_that_was_unused_the_longest(
    service: Service,
    obtain: Callable[..., httpx.Response],
    refresh: Callable[[str], httpx.Response],
    add_user: Callable[..., User],
) -> None:
    """Two go on and the third begins; the audit log names the one that ended."""
    user = add_user()
    add_user("grace")
    state = service.state
    few = replace(state.families, max_sessions_per_user=3)
    service.app.state.auth = replace(state, families=few)
    try:
        tokens = []
        for _ in range(3):
            tokens.append(obtain().json()["refresh"])
            service.clock.advance(minutes=1)
        others = obtain("grace").json()["refresh"]
        tokens[0] = refresh(tokens[0]).json()["refresh"]
        service.clock.advance(minutes=1)
        obtain()
    finally:
        service.app.state.auth = state

    statuses = [refresh(token).status_code for token in (*tokens, others)]
    assert statuses == [200, 401, 200, 200]
    (event,) = recorded(service, "session.ended")
    assert (event.user_id, event.actor_id) == (user.id, user.id)
    family = jwt.decode(tokens[1], options={"verify_signature": False})["family"]
    assert event.detail == {"session": family, "reason": "too_many"}

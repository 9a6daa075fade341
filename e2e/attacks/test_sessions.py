"""Attacks on sessions, the refresh cookie and the audit log, through the gateway."""

import time
from collections.abc import Iterator

import httpx
import pytest

from e2e.people import PASSWORD, Person, claims
from e2e.system import RunningSystem

COOKIE = "refresh_token"


@pytest.fixture
def victim(running: RunningSystem) -> Iterator[Person]:
    """A user who is logged in."""
    person = running.new_person()
    yield person
    person.client.close()


@pytest.fixture
def browser(running: RunningSystem, victim: Person) -> Iterator[httpx.Client]:
    """The victim's browser, which keeps the refresh token in a cookie."""
    with httpx.Client(base_url=running.url, headers={"Origin": running.url}) as client:
        body = {"username": victim.username, "password": PASSWORD, "refresh_in": "cookie"}
        answer = client.post("/api/token/obtain", json=body)
        assert set(answer.json()) == {"access"}
        yield client


def test_a_session_is_its_users_alone(running: RunningSystem, victim: Person) -> None:
    """Knowing its id, which every service that gets the access token does, is of no use."""
    attacker = running.new_person()
    session_id = claims(victim.access)["sid"]
    header = {"Authorization": f"Bearer {attacker.access}"}
    for path in (session_id, session_id.upper(), f"{session_id}/", f"../sessions/{session_id}"):
        answer = running.client.delete(f"{running.url}/api/token/sessions/{path}", headers=header)
        assert answer.status_code == 404

    seen = attacker.get("/api/token/sessions").json()["results"]

    assert session_id not in {session["id"] for session in seen}
    assert victim.get("/api/token/me").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "", "Referer": "http://localhost:8000/"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "", "X-Requested-With": "XMLHttpRequest"},
    ],
)
@pytest.mark.parametrize("path", ["refresh", "refresh/", "revoke"])
def test_another_page_cannot_use_the_cookie(
    browser: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    """The browser may send the cookie; the request is refused and changes nothing."""
    before = browser.cookies[COOKIE]

    answer = browser.post(f"/api/token/{path}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert browser.cookies[COOKIE] == before
    assert browser.post("/api/token/refresh").status_code == 200


def test_a_cookie_from_a_subdomain_does_not_replace_ours(browser: httpx.Client) -> None:
    """A page of a subdomain can add the attacker's cookie beside ours: neither is used."""
    ours = browser.cookies[COOKIE]
    browser.cookies.clear()
    for cookies in (f"{COOKIE}={ours}; {COOKIE}=attacker", f"{COOKIE}=attacker; {COOKIE}={ours}"):
        answer = browser.post("/api/token/refresh", headers={"Cookie": cookies})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


def test_a_hundred_guesses_are_few_events_without_what_was_typed(running: RunningSystem) -> None:
    """They do not fill the log, and a password typed as a name is not in it."""
    address = "198.51.100.77"
    for number in range(100):
        running.client.post(
            f"{running.auth_url}/api/token/obtain",
            json={"username": f"typed-by-mistake-{number}", "password": "x"},
            headers={"X-Forwarded-For": address},
        )
    events = f"FROM audit_event WHERE action = 'login.refused' AND source = '{address}'"
    for _ in range(100):
        if int(running.sql("auth", f"SELECT count(DISTINCT detail->>'reason') {events}")) > 1:
            break
        time.sleep(0.1)

    # At most one for each reason and worker within the window.
    assert 2 <= int(running.sql("auth", f"SELECT count(*) {events}")) <= 4
    typed = "SELECT count(*) FROM audit_event WHERE audit_event::text LIKE '%typed-by-mistake%'"
    assert int(running.sql("auth", typed)) == 0

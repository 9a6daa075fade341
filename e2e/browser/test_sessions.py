"""A front end in a real browser: the refresh token in a cookie, and where the user is logged in."""

from typing import Any

from playwright.sync_api import Page

from e2e.browser.conftest import Visit
from e2e.people import PASSWORD
from e2e.system import RunningSystem

COOKIE = "refresh_token"
_CALL = """async ([path, method, access, body]) => {
  const headers = {...(body && {'Content-Type': 'application/json'}),
                   ...(access && {Authorization: 'Bearer ' + access})}
  const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)})
  const text = await answer.text()
  return [answer.status, text ? JSON.parse(text) : null]
}"""


def _call(
    page: Page, path: str, method: str = "POST", *, access: str = "", body: object = None
) -> tuple[int, Any]:
    """Call the API as a script of the page would; return status and JSON."""
    status, answer = page.evaluate(_CALL, [f"/api/token/{path}", method, access, body])
    return status, answer


def _log_in(page: Page, username: str) -> str:
    page.goto("/api/docs/")
    body = {"username": username, "password": PASSWORD, "refresh_in": "cookie"}
    status, answer = _call(page, "obtain", body=body)
    assert (status, set(answer)) == (200, {"access"})
    return str(answer["access"])


def _cookie(page: Page) -> Any:
    return next((c for c in page.context.cookies() if c["name"] == COOKIE), None)


def test_three_tabs_share_the_cookie(visit: Visit, running: RunningSystem) -> None:
    """They refresh at once, all stay logged in, and no script can read the token."""
    username = running.new_person().username
    tabs = [visit.page, visit.page.context.new_page(), visit.page.context.new_page()]
    _log_in(tabs[0], username)
    cookie = _cookie(visit.page)
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        True,
        "Strict",
        "/api/token",
    )
    assert COOKIE not in visit.page.evaluate("document.cookie")
    for tab in tabs[1:]:
        tab.goto("/api/docs/")

    for _ in range(3):
        # Each tab starts its request before any of them waits for an answer.
        for tab in tabs:
            tab.evaluate("window.refreshed = fetch('/api/token/refresh', {method: 'POST'})")
        statuses = [tab.evaluate("window.refreshed.then(answer => answer.status)") for tab in tabs]
        assert statuses == [200, 200, 200]
    assert _call(tabs[2], "refresh")[0] == 200
    assert _cookie(visit.page)["value"] != cookie["value"]


def test_a_user_ends_the_session_of_another_device(visit: Visit, running: RunningSystem) -> None:
    """A page lists the sessions and ends one; the other device has to log in again."""
    phone = running.new_person()
    access = _log_in(visit.page, phone.username)

    status, listed = _call(visit.page, "sessions", "GET", access=access)
    assert status == 200
    here, there = listed["results"]
    assert (here["current"], there["current"]) == (True, False)
    assert "Chrome" in here["user_agent"]
    assert _call(visit.page, f"sessions/{there['id']}", "DELETE", access=access)[0] == 204

    answer = running.client.post(
        f"{running.url}/api/token/refresh", json={"refresh": phone.refresh}
    )
    assert answer.status_code == 401
    assert _call(visit.page, "refresh")[0] == 200
    assert _call(visit.page, "revoke") == (200, {})
    assert _cookie(visit.page) is None
    assert _call(visit.page, "refresh")[0] == 400


def test_a_page_of_another_origin_cannot_use_the_cookie(
    visit: Visit, running: RunningSystem
) -> None:
    """Another server of this machine is the same site, so the browser would send the cookie."""
    _log_in(visit.page, running.new_person().username)
    before = _cookie(visit.page)["value"]
    other = visit.page.context.new_page()
    elsewhere = "http://localhost:9999/"
    other.route(elsewhere, lambda route: route.fulfill(body="<p>", content_type="text/html"))
    other.goto(elsewhere)

    # A request that needs no preflight: the page cannot read the answer, but it is sent.
    with other.expect_request("**/api/token/refresh") as sent:
        other.evaluate(
            "url => fetch(url, {method: 'POST', credentials: 'include', mode: 'no-cors'})"
            ".catch(() => null)",
            f"{running.url}/api/token/refresh",
        )

    assert COOKIE in sent.value.all_headers()["cookie"]
    assert _cookie(visit.page)["value"] == before
    assert _call(visit.page, "refresh")[0] == 200

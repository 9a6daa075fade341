"""The refresh token in a cookie: out of reach of scripts, and of pages of other sites."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie

import httpx
import pytest
from sqlalchemy import select

from auth_service.app import create_app
from auth_service.settings import Settings, load_settings
from auth_service.tables import audit_event, refresh_family
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, MovableClock, Service

AddUser = Callable[..., User]
OUR_PAGE = {"Origin": "http://localhost:8000"}
OBTAIN, REFRESH, REVOKE = (f"/api/token/{name}" for name in ("obtain", "refresh", "revoke"))
COOKIE = "refresh_token"


@pytest.fixture
def browser(service: Service, add_user: AddUser) -> Iterator[httpx.Client]:
    """A client that keeps cookies, and shows one of our pages."""
    add_user()
    with httpx.Client(base_url=service.url, headers=OUR_PAGE, timeout=30) as client:
        yield client


def log_in(browser: httpx.Client, **headers: str) -> httpx.Response:
    """Ask for the cookie at log-in."""
    body = {"username": "ada", "password": PASSWORD, "refresh_in": "cookie"}
    return browser.post(OBTAIN, json=body, headers=headers)


def set_cookie(answer: httpx.Response) -> SimpleCookie:
    """Parse the one Set-Cookie header of an answer."""
    (header,) = answer.headers.get_list("set-cookie")
    return SimpleCookie(header)


def test_the_refresh_token_is_in_a_cookie_and_not_in_the_body(browser: httpx.Client) -> None:
    """No script can read it, no other path and no other site gets it, it ends with the token."""
    answer = log_in(browser)

    assert (answer.status_code, set(answer.json())) == (200, {"access"})
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = set_cookie(answer)[COOKIE]
    attributes = {name: value for name, value in cookie.items() if value}
    assert attributes == {
        "httponly": True,
        "max-age": "86400",
        "path": "/api/token",
        "samesite": "strict",
    }
    assert cookie.value.count(".") == 2
    assert cookie.value not in answer.text


def test_the_body_stays_the_default(http: httpx.Client, add_user: AddUser) -> None:
    """Other clients get both tokens and no cookie, on any page or none."""
    add_user()
    for extra in ({}, {"refresh_in": "body"}):
        answer = http.post(OBTAIN, json={"username": "ada", "password": PASSWORD, **extra})
        assert set(answer.json()) == {"refresh", "access"}
        again = http.post(REFRESH, json={"refresh": answer.json()["refresh"]})
        assert set(again.json()) == {"refresh", "access"}
        assert "set-cookie" not in {**answer.headers, **again.headers}


@pytest.mark.parametrize("body", [None, {}])
def test_a_refresh_sets_the_next_cookie(browser: httpx.Client, body: dict[str, str] | None) -> None:
    """With an empty body or none, as often as the page needs."""
    used = {set_cookie(log_in(browser))[COOKIE].value}
    for _ in range(3):
        answer = browser.post(REFRESH, json=body)
        assert (answer.status_code, set(answer.json())) == (200, {"access"})
        used.add(set_cookie(answer)[COOKIE].value)
    assert len(used) == 4


def test_three_tabs_refresh_at_once(browser: httpx.Client, service: Service) -> None:
    """All of them stay logged in, with the same next cookie."""
    log_in(browser)
    jar = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}

    def in_a_tab(_number: int) -> httpx.Response:
        return httpx.post(service.url + REFRESH, headers=OUR_PAGE | jar, timeout=30)

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(in_a_tab, range(3)))

    assert [a.status_code for a in answers] == [200, 200, 200]
    assert len({set_cookie(a)[COOKIE].value for a in answers}) == 1


def test_a_stolen_cookie_ends_the_session(browser: httpx.Client, clock: MovableClock) -> None:
    """As a stolen token in a body does."""
    log_in(browser)
    stolen = browser.cookies[COOKIE]
    browser.post(REFRESH)
    clock.advance(seconds=11)

    with httpx.Client(base_url=browser.base_url, cookies={COOKIE: stolen}) as thief:
        assert thief.post(REFRESH, headers=OUR_PAGE).status_code == 401
    assert browser.post(REFRESH).status_code == 401


def test_a_log_out_deletes_the_cookie(browser: httpx.Client, service: Service) -> None:
    """And revokes the session: the copy of the cookie is worth nothing."""
    log_in(browser)
    kept = browser.cookies[COOKIE]

    answer = browser.post(REVOKE)

    assert (answer.status_code, answer.json()) == (200, {})
    assert set_cookie(answer)[COOKIE]["max-age"] == "0"
    assert set_cookie(answer)[COOKIE]["path"] == "/api/token"
    assert COOKIE not in browser.cookies
    assert browser.post(REFRESH).status_code == 400
    browser.cookies.set(COOKIE, kept)
    assert browser.post(REFRESH).status_code == 401
    with service.engine.connect() as connection:
        assert connection.scalars(select(refresh_family.c.revoked_reason)).all() == ["revoked"]


def test_a_log_out_everywhere_deletes_the_cookie(browser: httpx.Client) -> None:
    """The cookie of this browser is worth nothing any more."""
    access = log_in(browser).json()["access"]
    header = {"Authorization": f"Bearer {access}"}
    assert browser.post("/api/token/revoke-all", headers=header).status_code == 204
    assert COOKIE not in browser.cookies


def test_a_new_password_renews_the_cookie(browser: httpx.Client) -> None:
    """The page stays logged in."""
    header = {"Authorization": f"Bearer {log_in(browser).json()['access']}"}
    before = browser.cookies[COOKIE]
    body = {
        "current_password": PASSWORD,
        "new_password": "quite another phrase",
        "refresh_in": "cookie",
    }

    answer = browser.post("/api/token/password", json=body, headers=header)

    assert (answer.status_code, set(answer.json())) == (200, {"access"})
    assert browser.cookies[COOKIE] != before
    assert browser.post(REFRESH).status_code == 200


OTHER_PAGES = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a subdomain of ours": {"Origin": "http://blog.localhost:8000", "Sec-Fetch-Site": "same-site"},
    "another port": {"Origin": "http://localhost:9000", "Sec-Fetch-Site": "same-site"},
    "another scheme": {"Origin": "https://localhost:8000"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "no page at all": {"Origin": ""},
    "typed into the address bar": {"Origin": "", "Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("page", OTHER_PAGES.values(), ids=OTHER_PAGES)
@pytest.mark.parametrize("path", [REFRESH, REVOKE])
def test_other_pages_cannot_use_the_cookie(
    browser: httpx.Client, service: Service, page: dict[str, str], path: str
) -> None:
    """Nor end the session: the browser sends the cookie, the request is refused."""
    log_in(browser)

    answer = browser.post(path, headers=page)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert "set-cookie" not in answer.headers
    assert browser.post(REFRESH).status_code == 200


@pytest.mark.parametrize("page", OTHER_PAGES.values(), ids=OTHER_PAGES)
def test_other_pages_cannot_log_a_browser_in(
    browser: httpx.Client, service: Service, page: dict[str, str]
) -> None:
    """Else a victim would work in the attacker's account; the password is not even checked."""
    answer = log_in(browser, **page)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert COOKIE not in browser.cookies
    with service.engine.connect() as connection:
        actions = connection.scalars(select(audit_event.c.action)).all()
    assert "login.granted" not in actions


def test_the_gateway_under_another_name_is_our_page(browser: httpx.Client) -> None:
    """`http://127.0.0.1:8000` is not PUBLIC_URL, but the browser says that page and API are one."""
    page = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert log_in(browser, **page).status_code == 200
    assert browser.post(REFRESH, headers=page).status_code == 200


def test_two_cookies_are_refused(browser: httpx.Client) -> None:
    """Another server of the site can add a cookie of the attacker's session beside ours."""
    log_in(browser)
    ours = browser.cookies[COOKIE]
    for sent in (f"{COOKIE}={ours}; {COOKIE}=x", f"{COOKIE}=x; a=b; {COOKIE}={ours}"):
        browser.cookies.clear()
        assert browser.post(REFRESH, headers={"Cookie": sent}).status_code == 401


def test_a_token_in_the_body_wins(browser: httpx.Client, http: httpx.Client) -> None:
    """A client that sends one gets the next one in the body, and the cookie stays as it is."""
    log_in(browser)
    cookie = browser.cookies[COOKIE]
    body = {"username": "ada", "password": PASSWORD}
    token = browser.post(OBTAIN, json=body).json()["refresh"]

    answer = browser.post(REFRESH, json={"refresh": token}, headers={"Origin": ""})
    assert set(answer.json()) == {"refresh", "access"}
    revoked = browser.post(REVOKE, json={"token": answer.json()["refresh"]}, headers={"Origin": ""})

    assert revoked.status_code == 200
    assert browser.cookies[COOKIE] == cookie
    assert browser.post(REFRESH).status_code == 200


def test_without_a_cookie_the_answers_are_those_of_before(http: httpx.Client) -> None:
    """A body without its field, no body, and no JSON."""
    for path, field in ((REFRESH, "refresh"), (REVOKE, "token")):
        missing = http.post(path, json={}, headers=OUR_PAGE)
        assert (missing.status_code, list(missing.json()["errors"])) == (400, [field])
        for content in (b"", b"[]", b"x"):
            answer = http.post(path, content=content, headers=OUR_PAGE)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


def test_unreadable_bodies_are_refused_with_a_cookie_too(browser: httpx.Client) -> None:
    """The cookie does not make a broken request a good one."""
    log_in(browser)
    for path in (REFRESH, REVOKE):
        answer = browser.post(path, content=b"{", headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("environment", "public_url", "name"),
    [
        ("production", "https://api.example.com", "__Secure-refresh_token"),
        ("local", "https://localhost:8443", "__Secure-refresh_token"),
        ("staging", "http://api.example.com", "__Secure-refresh_token"),
        ("local", "http://localhost:8000", "refresh_token"),
    ],
)
def test_outside_local_the_cookie_needs_tls(
    settings: Settings, environ: dict[str, str], environment: str, public_url: str, name: str
) -> None:
    """Its name starts with `__Secure-`, so that no page without TLS can set another one."""
    more = {
        "ENVIRONMENT": environment,
        "PUBLIC_URL": public_url,
        "ALLOWED_ORIGINS": "https://app.example.com, http://localhost:3000",
    }
    app = create_app(load_settings(environ | more))
    cookie = app.state.auth.refresh_cookie
    app.state.auth.engine.dispose()
    app.state.auth.autocommit.dispose()

    assert (cookie.name, cookie.is_secure) == (name, name.startswith("__Secure-"))
    assert cookie.allowed_origins == {
        public_url,
        "https://app.example.com",
        "http://localhost:3000",
    }


def test_the_document_names_the_cookie(http: httpx.Client) -> None:
    """A front-end developer finds the option and the header on the Swagger page."""
    document = http.get("/api/token/openapi.json").json()
    answer = document["paths"][OBTAIN]["post"]["responses"]["200"]
    assert "Set-Cookie" in answer["headers"]
    option = document["components"]["schemas"]["Credentials"]["properties"]["refresh_in"]
    assert (option["enum"], option["default"]) == (["body", "cookie", "none"], "body")
    assert "AccessToken" in json.dumps(answer["content"])

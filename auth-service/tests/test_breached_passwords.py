"""The optional look-up of new passwords in a list of stolen ones."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from auth_service.passwords.breaches import Lookup, look_up
from auth_service.settings import SettingsError, load_settings
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service

STOLEN = "seventeen purple elephants"
DIGEST = hashlib.sha1(STOLEN.encode()).hexdigest().upper()


class BreachList:
    """A server with the range API of Have I Been Pwned."""

    def __init__(self) -> None:
        self.answer = f"0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n{DIGEST[5:]}:42\r\n"
        self.status = 200
        self.delay = 0.0
        self.requests: list[tuple[str, str]] = []
        breach_list = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                breach_list.requests.append((self.path, self.headers["Add-Padding"]))
                time.sleep(breach_list.delay)
                self.send_response(breach_list.status)
                self.end_headers()
                # The client may have gone.
                with suppress(BrokenPipeError):
                    self.wfile.write(breach_list.answer.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/range"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def breach_list() -> Iterator[BreachList]:
    """A breach list on a free port."""
    breach_list = BreachList()
    yield breach_list
    breach_list.server.shutdown()
    breach_list.server.server_close()


@pytest.fixture
def logged_in(
    add_user: Callable[..., User], obtain: Callable[..., httpx.Response]
) -> dict[str, str]:
    """The headers of a user with an access token."""
    add_user()
    return {"Authorization": f"JWT {obtain().json()['access']}"}


def asked(password: str, url: str) -> Lookup:
    return asyncio.run(look_up(password, url=url))


def test_the_list_sees_five_characters_of_a_hash(breach_list: BreachList) -> None:
    """It cannot find out the password, nor by the size of the answer what was asked."""
    assert asked(STOLEN, breach_list.url) is Lookup.LISTED
    assert asked("another password", breach_list.url) is Lookup.NOT_LISTED
    assert breach_list.requests[0] == (f"/range/{DIGEST[:5]}", "true")
    assert all(len(path) == len("/range/") + 5 for path, _ in breach_list.requests)


def test_padding_is_not_a_hit(breach_list: BreachList) -> None:
    """Lines with a count of zero are there to hide the size."""
    breach_list.answer = f"{DIGEST[5:]}:0\n"
    assert asked(STOLEN, breach_list.url) is Lookup.NOT_LISTED


@pytest.mark.parametrize("fault", ["slow", "error", "gone"])
def test_a_list_that_does_not_answer_stops_no_one(
    breach_list: BreachList, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The password is accepted within about a second, and the log says why."""
    breach_list.delay = 3 if fault == "slow" else 0
    breach_list.status = 503 if fault == "error" else 200
    url = "http://127.0.0.1:1/range" if fault == "gone" else breach_list.url
    start = time.monotonic()

    assert asked(STOLEN, url) is Lookup.FAILED

    assert time.monotonic() - start < 2.5
    assert "the breach list did not answer" in caplog.text
    assert STOLEN not in caplog.text


def test_a_stolen_password_is_refused(
    service: Service,
    http: httpx.Client,
    logged_in: dict[str, str],
    breach_list: BreachList,
) -> None:
    """Once the variable is set; before, no one is asked."""
    body = {"current_password": PASSWORD, "new_password": STOLEN}
    unset = service.state
    service.app.state.auth = replace(unset, breach_lookup_url=breach_list.url)
    try:
        refused = http.post("/api/token/password", json=body, headers=logged_in)
    finally:
        service.app.state.auth = unset

    assert (refused.status_code, refused.json()["code"]) == (400, "validation_error")
    assert refused.json()["error_codes"] == {"new_password": ["password_breached"]}
    metrics = http.get("/metrics").text
    assert 'auth_breach_lookups_total{outcome="listed"} 1.0' in metrics
    assert 'auth_refused_passwords_total{code="password_breached"} 1.0' in metrics

    asked_before = len(breach_list.requests)
    assert http.post("/api/token/password", json=body, headers=logged_in).status_code == 200
    assert len(breach_list.requests) == asked_before


def test_the_variable_is_checked(environ: dict[str, str]) -> None:
    """A typing mistake stops the start, and names the variable."""
    with pytest.raises(SettingsError, match="PASSWORD_BREACH_LOOKUP_URL must be an http"):
        load_settings({**environ, "PASSWORD_BREACH_LOOKUP_URL": "pwnedpasswords"})

"""What a stranger can try at the log-in, for themselves or to lock others out."""

import re
import uuid
from collections.abc import Iterator

import httpx
import pytest

from e2e.people import PASSWORD
from e2e.system import RunningSystem

GUESSES = 50


@pytest.fixture
def office(running: RunningSystem) -> Iterator[httpx.Client]:
    """A client at an address of its own, so that no other test is throttled with it."""
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=running.url, transport=transport, timeout=40) as client:
        yield client


def obtain(client: httpx.Client, username: str, password: str = PASSWORD) -> httpx.Response:
    """Log in at the API."""
    body = {"username": username, "password": password}
    return client.post("/api/token/obtain", json=body)


def open_admin(client: httpx.Client, username: str) -> int:
    """Log in at the admin; returns 302 for a success and 200 for the form with an error."""
    client.cookies.clear()
    form = client.get("/admin/login/")
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    assert found
    fields = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": found[1]}
    return client.post("/admin/login/", data=fields).status_code


def test_guesses_from_an_office_do_not_stop_a_colleague(
    running: RunningSystem, office: httpx.Client
) -> None:
    """Fifty made-up names: who logged in from there before still can, in the API and the admin."""
    user = running.new_person().username
    staff = running.new_person(is_staff=True).username
    newcomer = running.new_person().username
    assert obtain(office, user).status_code == 200
    assert open_admin(office, staff) == 302

    guesses = [obtain(office, f"made-up-{uuid.uuid4().hex[:8]}", "a guess") for _ in range(GUESSES)]

    assert [guess.status_code for guess in guesses] == [401] * GUESSES
    assert obtain(office, newcomer).json()["code"] == "too_many_attempts"
    assert obtain(office, user).status_code == 200
    assert open_admin(office, staff) == 302

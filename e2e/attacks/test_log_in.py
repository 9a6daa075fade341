"""What a stranger can try at the log-in, for themselves or to lock others out."""

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

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


def test_one_account_does_not_keep_others_from_logging_in(running: RunningSystem) -> None:
    """Sixty log-ins at once with the right password, from ten addresses."""
    owner, other = running.new_person().username, running.new_person().username
    clients = [
        httpx.Client(
            base_url=running.url,
            transport=httpx.HTTPTransport(local_address=f"127.0.0.{number}"),
            timeout=40,
        )
        for number in range(11, 22)
    ]
    with ThreadPoolExecutor(70) as pool:
        flood = [pool.submit(obtain, clients[number % 10], owner) for number in range(60)]
        meanwhile = [obtain(clients[10], other) for _ in range(3)]
        answers = [one.result() for one in flood]
    for client in clients:
        client.close()

    assert [answer.status_code for answer in meanwhile] == [200] * 3
    refused = {answer.json()["code"] for answer in answers if answer.is_error}
    # On a slow machine those in its own four places wait too long.
    assert {"too_many_attempts"} <= refused <= {"too_many_attempts", "overloaded"}


@pytest.mark.parametrize(
    "password",
    ["12345678", "87654321", "jennifer", "Administrator1!", "P@ssw0rd2026", " " * 12, "\u017e" * 7],
)
def test_a_password_that_others_would_guess_is_refused(
    running: RunningSystem, password: str
) -> None:
    """The code and a sentence beside the field; the password of before stays."""
    person = running.new_person()

    body = {"current_password": PASSWORD, "new_password": password}
    refused = person.post("/api/token/password", body)

    assert (refused.status_code, refused.json()["code"]) == (400, "validation_error")
    assert list(refused.json()["errors"]) == ["new_password"]
    assert person.get("/api/token/me").status_code == 200


@pytest.mark.parametrize("name", ["\u0430dmin", "\u0430\u0501min", "admin\u200b", "\u202enimda"])
def test_a_name_that_looks_like_the_administrators_is_refused(
    running: RunningSystem, name: str
) -> None:
    """A Cyrillic letter, a digit for a letter, and characters that no one sees."""
    answer = running.internal(
        "POST", "/internal/users", json={"username": name, "password": PASSWORD}
    )

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["username"]

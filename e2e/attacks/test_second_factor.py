"""What a thief who knows a password, or has a session, can try against the second factor."""

from collections.abc import Iterator

import httpx
import pytest

from e2e.authenticator import enrol
from e2e.people import PASSWORD, Person
from e2e.system import RunningSystem


@pytest.fixture
def thief(running: RunningSystem) -> Iterator[httpx.Client]:
    """A client at an address of its own, so that no other test is throttled with it."""
    transport = httpx.HTTPTransport(local_address="127.0.0.3")
    with httpx.Client(base_url=running.url, transport=transport, timeout=40) as client:
        yield client


def obtain(client: httpx.Client, username: str, password: str = PASSWORD) -> httpx.Response:
    """Log in at the API."""
    body = {"username": username, "password": password}
    return client.post("/api/token/obtain", json=body)


def complete(client: httpx.Client, challenge: str, **proof: str) -> httpx.Response:
    """Send a challenge with a proof."""
    return client.post("/api/token/second-factor", json={"challenge": challenge, **proof})


def test_codes_cannot_be_guessed(thief: httpx.Client, person: Person) -> None:
    """Five guesses, then waiting; another challenge brings no more. The owner is not locked out."""
    app = enrol(person)
    first, second = [obtain(thief, person.username).json()["challenge"] for _ in range(2)]
    guesses = [complete(thief, one, code="000000") for one in (first, first, first, second, second)]
    assert [guess.json()["code"] for guess in guesses] == ["wrong_code"] * 5

    right = complete(thief, second, code=app.code())
    assert (right.status_code, right.json()["code"]) == (429, "too_many_attempts")
    assert obtain(thief, person.username).status_code == 429
    owner = obtain(person.client, person.username)
    assert complete(person.client, owner.json()["challenge"], code=app.code()).status_code == 200


def test_the_challenge_of_another_user_takes_no_proof_of_the_thief(
    running: RunningSystem, thief: httpx.Client, person: Person
) -> None:
    """A thief with an account, an app and recovery codes of their own gets nowhere with them."""
    enrol(person)
    own = enrol(running.new_person())
    challenge = obtain(thief, person.username).json()["challenge"]
    assert complete(thief, challenge, code=own.code()).json()["code"] == "wrong_code"
    paper = own.recovery_codes[0]
    assert complete(thief, challenge, recovery_code=paper).json()["code"] == "wrong_code"


def test_a_challenge_ends_with_the_password(thief: httpx.Client, person: Person) -> None:
    """Who has seen the password and a code is out as soon as the owner changes the password."""
    app = enrol(person)
    challenge = obtain(thief, person.username).json()["challenge"]
    changed = {
        "current_password": PASSWORD,
        "new_password": "another long enough password",
    }
    assert person.post("/api/token/password", changed).status_code == 200
    late = complete(thief, challenge, code=app.code())
    assert (late.status_code, late.json()["code"]) == (401, "challenge_not_valid")


def test_no_answer_shows_a_second_factor_before_the_password_is_right(
    running: RunningSystem, thief: httpx.Client, person: Person
) -> None:
    """With it, without it and without an account: the same answer, also for made-up challenges."""
    enrol(person)
    names = [person.username, running.new_person().username, "no-such-user"]
    refused = [obtain(thief, name, "a guess") for name in names]
    assert len({(one.status_code, one.text) for one in refused}) == 1
    made_up = [complete(thief, one, code="123456") for one in ("x", "made-up-" * 5)]
    refusals = {(one.status_code, one.json()["code"]) for one in made_up}
    assert refusals == {(401, "challenge_not_valid")}
    for token in (person.access, person.refresh):
        assert complete(thief, token, code="123456").json()["code"] == "validation_error"


@pytest.mark.parametrize("call", ["enrol", "recovery-codes", "disable"])
def test_a_stolen_session_does_not_change_the_second_factor(person: Person, call: str) -> None:
    """Each change needs the password, and a code once there is a second factor."""
    if call != "enrol":
        enrol(person)
    body = {"current_password": "a guess", "code": "123456"}
    answer = person.post(f"/api/token/second-factor/{call}", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    body = {"current_password": PASSWORD, "code": "123456"}
    if call != "enrol":
        answer = person.post(f"/api/token/second-factor/{call}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_code")

"""A second factor from the set-up to the log-in, through the gateway."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from e2e.authenticator import enrol, wait_for_a_fresh_step
from e2e.people import PASSWORD, Person
from e2e.system import RunningSystem


def obtain(running: RunningSystem, person: Person) -> httpx.Response:
    """Log in with the password."""
    body = {"username": person.username, "password": PASSWORD}
    return running.client.post(f"{running.url}/api/token/obtain", json=body)


def challenge_of(running: RunningSystem, person: Person) -> str:
    """Log in with the password, and return the challenge."""
    asked = obtain(running, person)
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    return str(asked.json()["challenge"])


def complete(running: RunningSystem, challenge: str, **proof: str) -> httpx.Response:
    """Complete a log-in."""
    body = {"challenge": challenge, **proof}
    return running.client.post(f"{running.url}/api/token/second-factor", json=body)


def test_a_log_in_with_a_code_and_with_a_recovery_code(
    running: RunningSystem, person: Person
) -> None:
    """Set up, log in with the app, see a replay refused, log in from paper, turn it off."""
    app = enrol(person)
    code = app.code()
    granted = complete(running, challenge_of(running, person), code=code)
    assert granted.status_code == 200, granted.text
    header = {"Authorization": f"Bearer {granted.json()['access']}"}
    me = running.client.get(f"{running.url}/api/token/me", headers=header).json()
    assert (me["username"], me["second_factor_at"] is None) == (person.username, False)

    replayed = complete(running, challenge_of(running, person), code=code)
    assert (replayed.status_code, replayed.json()["code"]) == (403, "wrong_code")

    paper = app.recovery_codes[0]
    assert complete(running, challenge_of(running, person), recovery_code=paper).status_code == 200
    again = complete(running, challenge_of(running, person), recovery_code=paper)
    assert again.json()["code"] == "wrong_code"
    state = person.get("/api/token/second-factor").json()
    assert state["recovery_codes_left"] == 9

    proof = {"current_password": PASSWORD, "recovery_code": app.recovery_codes[1]}
    assert person.post("/api/token/second-factor/disable", proof).status_code == 204
    assert obtain(running, person).status_code == 200


def test_twelve_uses_of_one_code_at_once(running: RunningSystem, person: Person) -> None:
    """One log-in succeeds, in whichever process the requests arrive."""
    app = enrol(person)
    challenges = [challenge_of(running, person) for _ in range(12)]
    wait_for_a_fresh_step()
    code = app.code(1)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: complete(running, one, code=code), challenges))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 1, statuses
    assert set(statuses) <= {200, 403, 429}

"""Neither a refused log-in nor a request for a mail shows whether there is an account."""

import time
from collections.abc import Callable
from statistics import median

import httpx
import pytest
from sqlalchemy import event

from auth_service import queries
from auth_service.passwords.hashing import verify_password
from auth_service.users.accounts import User
from tests.conftest import Service

Obtain = Callable[..., httpx.Response]


@pytest.fixture
def three_usernames(add_user: Callable[..., User]) -> list[str]:
    """An active account, an inactive one, and a username without an account."""
    add_user("ada")
    add_user("gone", is_active=False)
    return ["ada", "gone", "unknown"]


def test_every_refusal_takes_the_same_steps(
    service: Service, obtain: Obtain, three_usernames: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements and one hash, whether or not there is an account."""
    steps: list[str] = []

    def noting_verify(password: str, *, password_hash: str) -> bool:
        # The length covers the parameters and the size of salt and hash.
        steps.append(f"hash {len(password_hash)}")
        return verify_password(password, password_hash=password_hash)

    def note_statement(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        steps.append(statement)

    def note_query(name: str) -> None:
        query = getattr(queries, name)

        def noting_query(*arguments: object, **options: object) -> object:
            steps.append(name)
            return query(*arguments, **options)

        monkeypatch.setattr(queries, name, noting_query)

    monkeypatch.setattr("auth_service.users.login.verify_password", noting_verify)
    for name in ("throttle_buckets", "user_by_username", "count_failure"):
        note_query(name)
    pools = (service.state.engine, service.state.autocommit)
    for pool in pools:
        event.listen(pool, "before_cursor_execute", note_statement)
    taken = []
    for number, name in enumerate(three_usernames):
        obtain(name, "a wrong guess", client_ip=f"192.0.2.{number}")
        taken.append(steps.copy())
        steps.clear()
    for pool in pools:
        event.remove(pool, "before_cursor_execute", note_statement)

    assert sum(step.startswith("hash") for step in taken[0]) == 1
    assert {"throttle_buckets", "user_by_username", "count_failure"} <= set(taken[0])
    assert taken[0] == taken[1] == taken[2]


def test_every_refusal_takes_about_as_long(obtain: Obtain, three_usernames: list[str]) -> None:
    """Medians of many interleaved log-ins differ by far less than a hash."""
    seconds: dict[str, list[float]] = {name: [] for name in three_usernames}
    for number in range(20):
        for place, name in enumerate(three_usernames):
            address = f"10.{place}.{number}.1"
            started = time.perf_counter()
            assert obtain(name, "a wrong guess", client_ip=address).status_code == 401
            seconds[name].append(time.perf_counter() - started)

    middle = {name: median(samples) for name, samples in seconds.items()}
    assert max(middle.values()) / min(middle.values()) < 2


@pytest.mark.parametrize("path", ["sign-up", "reset-password"])
def test_a_request_for_a_mail_takes_the_same_steps(
    service: Service,
    http: httpx.Client,
    add_user: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """No statement looks at accounts, so none can differ: the worker decides later."""
    add_user("ada", email="ada@example.org", email_verified_at=service.clock())
    add_user("gone", email="gone@example.org", is_active=False)
    steps: list[str] = []

    def note_statement(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        steps.append(statement)

    def note_query(*arguments: object, **options: object) -> object:
        steps.append("count_requests")
        return count_requests(*arguments, **options)  # type: ignore[arg-type] # as it was called

    count_requests = queries.count_requests
    monkeypatch.setattr(queries, "count_requests", note_query)
    pools = (service.state.engine, service.state.autocommit)
    for pool in pools:
        event.listen(pool, "before_cursor_execute", note_statement)
    taken, answers = [], []
    for name in ("ada", "gone", "unknown"):
        answer = http.post(f"/api/account/{path}", json={"email": f"{name}@example.org"})
        answers.append((answer.status_code, answer.json(), sorted(answer.headers)))
        taken.append(steps.copy())
        steps.clear()
    for pool in pools:
        event.remove(pool, "before_cursor_execute", note_statement)

    assert len(taken[0]) == 2
    assert not [step for step in taken[0] if "users" in step]
    assert taken[0] == taken[1] == taken[2]
    assert answers[0] == answers[1] == answers[2]

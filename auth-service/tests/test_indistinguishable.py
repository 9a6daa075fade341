"""A refused log-in does not show whether the username exists."""

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

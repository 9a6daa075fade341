"""Which names exist cannot be found out by watching how a log-in is refused."""

import time
from collections.abc import Callable
from statistics import median

import httpx
import pytest
from sqlalchemy import event

from auth_service.passwords.hashing import verify_password
from auth_service.users.accounts import User
from tests.conftest import Service

Obtain = Callable[..., httpx.Response]


@pytest.fixture
def three_names(add_user: Callable[..., User]) -> list[str]:
    """A name with a wrong password, an inactive account, and nobody at all."""
    add_user("ada")
    add_user("gone", is_active=False)
    return ["ada", "gone", "nobody"]


def test_every_refusal_takes_the_same_steps(
    service: Service, obtain: Obtain, three_names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements and one hash, whoever the name belongs to."""
    steps: list[str] = []

    def noting_verify(password: str, *, password_hash: str) -> bool:
        # The length covers the parameters and the size of salt and hash.
        steps.append(f"hash {len(password_hash)}")
        return verify_password(password, password_hash=password_hash)

    def note_statement(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        steps.append(statement)

    monkeypatch.setattr("auth_service.users.login.verify_password", noting_verify)
    pools = (service.parts.engine, service.parts.statements)
    for pool in pools:
        event.listen(pool, "before_cursor_execute", note_statement)
    taken = []
    for number, name in enumerate(three_names):
        obtain(name, "a wrong guess", source=f"192.0.2.{number}")
        taken.append(steps.copy())
        steps.clear()
    for pool in pools:
        event.remove(pool, "before_cursor_execute", note_statement)

    assert sum(step.startswith("hash") for step in taken[0]) == 1
    assert len(taken[0]) > 3
    assert taken[0] == taken[1] == taken[2]


def test_every_refusal_takes_about_as_long(obtain: Obtain, three_names: list[str]) -> None:
    """Medians of many interleaved log-ins differ by far less than a hash."""
    seconds: dict[str, list[float]] = {name: [] for name in three_names}
    for number in range(20):
        for place, name in enumerate(three_names):
            source = f"10.{place}.{number}.1"
            began = time.perf_counter()
            assert obtain(name, "a wrong guess", source=source).status_code == 401
            seconds[name].append(time.perf_counter() - began)

    middle = {name: median(samples) for name, samples in seconds.items()}
    assert max(middle.values()) / min(middle.values()) < 2

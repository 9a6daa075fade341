"""The login throttle: guessing gets slow, and others cannot lock a user out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from auth_service.errors import TooManyAttempts
from auth_service.passwords.login_throttle import (
    Attempt,
    Limits,
    LoginThrottle,
    backoff,
    delete_expired,
    network_of,
)
from auth_service.tables import known_source, throttle_bucket
from auth_service.usernames import fold_username
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, MovableClock, Service

Obtain = Callable[..., httpx.Response]
AddUser = Callable[..., User]


def fail(obtain: Obtain, times: int, **more: str) -> list[int]:
    """Send a wrong password several times; returns the statuses."""
    return [obtain(password="a wrong guess", **more).status_code for _ in range(times)]


def test_the_sixth_guess_has_to_wait(
    obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """After five failures even the right password has to wait; then it works."""
    add_user()
    assert fail(obtain, 5) == [401] * 5

    refused = obtain(password=PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_attempts"
    assert 1 <= int(refused.headers["Retry-After"]) <= 15

    clock.advance(seconds=15)
    assert obtain(password=PASSWORD).status_code == 200


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(
    obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """Each further failure doubles the wait. No account is locked forever."""
    add_user()
    fail(obtain, 4)
    waits = []
    for _ in range(8):
        assert fail(obtain, 1) == [401]
        waits.append(int(obtain(password=PASSWORD).headers["Retry-After"]))
        clock.advance(seconds=waits[-1])

    assert [round(wait / 15) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert obtain(password=PASSWORD).status_code == 200


def test_a_success_resets_the_failures_before_it(obtain: Obtain, add_user: AddUser) -> None:
    """A user who mistypes four times a day is never throttled."""
    add_user()
    for _ in range(3):
        assert fail(obtain, 4) == [401] * 4
        assert obtain().status_code == 200


def test_unknown_usernames_are_throttled_in_the_same_way(obtain: Obtain, add_user: AddUser) -> None:
    """The throttle does not show which usernames exist."""
    add_user("ada")
    known = [obtain("ada", "a wrong guess") for _ in range(7)]
    unknown = [obtain("unknown", "a wrong guess", client_ip="192.0.2.2") for _ in range(7)]

    assert [a.status_code for a in known] == [a.status_code for a in unknown]
    assert [a.text for a in known] == [a.text for a in unknown]


def test_spellings_of_a_username_are_counted_together(obtain: Obtain, add_user: AddUser) -> None:
    """Another spelling gives no further guesses."""
    add_user("ada")
    names = ["ada", "ADA", "Ada", "\uff41da", "aDa", "ada"]
    statuses = [obtain(name, "a wrong guess").status_code for name in names]
    assert statuses == [401] * 5 + [429]


def test_an_account_is_protected_against_many_networks(
    obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """A botnet has twenty guesses in a quarter of an hour, however many addresses it has."""
    add_user()
    statuses = [fail(obtain, 1, client_ip=f"198.51.100.{n}")[0] for n in range(25)]
    assert statuses == [401] * 20 + [429] * 5

    clock.advance(minutes=15)
    assert fail(obtain, 1, client_ip="198.51.100.99") == [401]


def test_a_known_network_is_not_locked_out_by_others(obtain: Obtain, add_user: AddUser) -> None:
    """During an attack by a botnet, the user can log in from home."""
    add_user()
    assert obtain(client_ip="203.0.113.7").status_code == 200
    for n in range(25):
        fail(obtain, 1, client_ip=f"198.51.100.{n}")

    assert obtain(client_ip="203.0.113.7").status_code == 200
    assert obtain(client_ip="203.0.113.8").status_code == 429


def test_a_known_network_is_forgotten_after_a_month(
    obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """The address may belong to another person by then."""
    add_user()
    obtain(client_ip="203.0.113.7")
    clock.advance(days=31)
    for n in range(20):
        fail(obtain, 1, client_ip=f"198.51.100.{n}")

    assert obtain(client_ip="203.0.113.7").status_code == 429


def test_a_network_that_guesses_for_many_accounts_is_stopped(obtain: Obtain) -> None:
    """One password for all accounts is refused after fifty failures."""
    statuses = [obtain(f"user{n}", "Summer2026!").status_code for n in range(52)]
    assert statuses == [401] * 50 + [429] * 2


def test_guesses_from_an_office_do_not_stop_a_colleague(
    obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """Who logged in from there yesterday still can; who never did has to wait."""
    add_user("ada")
    add_user("newcomer")
    assert obtain("ada").status_code == 200
    clock.advance(days=1)
    assert [obtain(f"made-up-{n}", "a guess").status_code for n in range(50)] == [401] * 50

    assert obtain("newcomer").status_code == 429
    assert obtain("ada").status_code == 200
    # Guesses at the colleague's own password are limited as everywhere.
    assert fail(obtain, 6) == [401] * 5 + [429]


def test_an_ipv6_client_cannot_escape_within_its_network(obtain: Obtain) -> None:
    """A subscriber has a whole /64 network, so that network is counted."""
    statuses = [fail(obtain, 1, client_ip=f"2001:db8::{n:x}")[0] for n in range(6)]
    assert statuses == [401] * 5 + [429]


def test_a_forged_forwarding_header_changes_nothing(http: httpx.Client) -> None:
    """The gateway appends the real address; what the client sent before it is ignored."""
    statuses = [
        http.post(
            "/api/token/obtain",
            json={"username": "ada", "password": "a wrong guess"},
            headers={"X-Forwarded-For": f"10.9.8.{n}, 192.0.2.1"},
        ).status_code
        for n in range(6)
    ]
    assert statuses == [401] * 5 + [429]


def test_a_burst_gets_no_more_guesses_than_a_queue(obtain: Obtain, add_user: AddUser) -> None:
    """Thirty guesses sent at once are counted one by one."""
    add_user()
    with ThreadPoolExecutor(30) as pool:
        jobs = [pool.submit(obtain, "ada", f"guess number {n}") for n in range(30)]
        statuses = [job.result().status_code for job in jobs]

    assert 1 <= statuses.count(401) <= 5
    assert set(statuses) == {401, 429}


def test_usernames_are_not_stored(service: Service, obtain: Obtain) -> None:
    """A password typed into the username field does not get into the database."""
    obtain("my secret password", "x")
    with service.engine.connect() as connection:
        keys = connection.scalars(select(throttle_bucket.c.key)).all()
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)


def test_expired_rows_are_deleted(
    service: Service, obtain: Obtain, add_user: AddUser, clock: MovableClock
) -> None:
    """The tables keep failures for a quarter of an hour and networks for a month."""
    add_user()
    obtain()
    fail(obtain, 1)
    clock.advance(days=31)

    with service.engine.begin() as connection:
        assert delete_expired(connection, now=clock(), limit=1000) == 3
        for table in (throttle_bucket, known_source):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


ATTACKER_MOVE = st.tuples(
    st.integers(min_value=0, max_value=40),  # which of its addresses
    st.integers(min_value=1, max_value=30),  # how many guesses
    st.integers(min_value=0, max_value=2000),  # seconds until its next move
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(ATTACKER_MOVE, max_size=25))
def test_no_sequence_of_failures_by_others_locks_the_user_out(
    service: Service, moves: list[tuple[int, int, int]]
) -> None:
    """Whatever others do, users can log in from where they logged in before."""
    throttle = LoginThrottle(secret=b"property test", limits=Limits())
    now = datetime(2030, 1, 1, tzinfo=UTC)
    home = throttle.attempt("ada", client_ip="203.0.113.7")
    with service.engine.connect() as connection:
        throttle.record_success(connection, home, now=now)
        for address, guesses, pause in moves:
            attempt = throttle.attempt("ada", client_ip=f"198.51.100.{address}")
            for _ in range(guesses):
                try:
                    throttle.check(connection, attempt, now=now)
                except TooManyAttempts:
                    break
                throttle.record_failure(connection, attempt, now=now)
            now += timedelta(seconds=pause)
            throttle.check(connection, home, now=now)
        connection.rollback()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pauses=st.lists(st.integers(min_value=0, max_value=1200), min_size=30, max_size=60))
def test_guesses_from_one_network_stay_rare(service: Service, pauses: list[int]) -> None:
    """However an attacker times the guesses, log-ins are accepted only after Retry-After."""
    throttle = LoginThrottle(secret=b"property test", limits=Limits())
    attempt = throttle.attempt("ada", client_ip="198.51.100.1")
    now = datetime(2030, 1, 1, tzinfo=UTC)
    with service.engine.connect() as connection:
        for pause in pauses:
            wait = _wait_of(throttle, connection, attempt, now=now)
            assert 0 <= wait <= 900
            if wait:
                opens = now + timedelta(seconds=wait)
                assert _wait_of(throttle, connection, attempt, now=opens) == 0
            else:
                throttle.record_failure(connection, attempt, now=now)
            now += timedelta(seconds=pause)
        connection.rollback()


def _wait_of(
    throttle: LoginThrottle, connection: Connection, attempt: Attempt, *, now: datetime
) -> int:
    try:
        throttle.check(connection, attempt, now=now)
    except TooManyAttempts as refusal:
        return refusal.retry_after_seconds or 0
    return 0


@pytest.mark.parametrize(
    ("client_ip", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "unknown"),
    ],
)
def test_the_network_of_an_address(client_ip: str, network: str) -> None:
    """An IPv4-mapped IPv6 address is the same client as the IPv4 address."""
    assert network_of(client_ip) == network


def test_usernames_are_folded_and_waits_are_bounded() -> None:
    """Names that look alike are one name. The wait after a thousand failures is 15 minutes too."""
    assert fold_username("\uff21DA\u00df") == "adass"
    assert backoff(1000) == timedelta(minutes=15)

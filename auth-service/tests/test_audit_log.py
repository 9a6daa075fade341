"""The audit log: who logged in, who was refused and why, read with filters, kept for a while."""

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg2
import pytest
from sqlalchemy import event, func, insert, select, text

from auth_service.audit import Origin, Retention
from auth_service.housekeeping import delete_expired
from auth_service.tables import audit_event
from auth_service.users import changes, refused_log_ins
from auth_service.users.accounts import User
from auth_service.users.refused_log_ins import Reason, RefusedLogIns
from tests.conftest import PASSWORD, MovableClock, Service
from tests.served import served

AddUser = Callable[..., User]
Obtain = Callable[..., httpx.Response]


def recorded(service: Service, action: str = "login.refused") -> list[Any]:
    """Write what is due, and return the events of one kind, oldest first."""
    service.state.login.refused.flush()
    query = select(audit_event).where(audit_event.c.action == action).order_by(audit_event.c.id)
    with service.engine.connect() as connection:
        return list(connection.execute(query))


def test_a_log_in_is_recorded(service: Service, http: httpx.Client, add_user: AddUser) -> None:
    """Who, from where, with which program, and as which session."""
    user = add_user()
    body = {"username": "ada", "password": PASSWORD}
    headers = {"X-Forwarded-For": "203.0.113.9", "User-Agent": "Firefox"}
    access = http.post("/api/token/obtain", json=body, headers=headers).json()["access"]
    session = http.post("/api/token/verify", json={"token": access}).json()["sid"]

    (granted,) = recorded(service, "login.granted")

    assert (granted.actor_id, granted.user_id) == (user.id, user.id)
    assert granted.source == "203.0.113.9"
    assert granted.detail == {"session": session, "method": "password", "user_agent": "Firefox"}


def test_a_log_in_and_a_refresh_send_as_many_statements_as_before(
    service: Service, obtain: Obtain, refresh: Callable[[str], httpx.Response], add_user: AddUser
) -> None:
    """Four and one: recording and naming sessions costs no round trip."""
    add_user()
    sent: list[str] = []
    token = ""

    class Cursor(psycopg2.extensions.cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            sent.append(str(query))
            super().execute(query, parameters)

    def watch(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.cursor_factory = Cursor

    for engine in (service.state.engine, service.state.autocommit):
        event.listen(engine, "checkout", watch)
    try:
        token = obtain().json()["refresh"]
        at_log_in = len(sent)
        assert refresh(token).status_code == 200
    finally:
        for engine in (service.state.engine, service.state.autocommit):
            event.remove(engine, "checkout", watch)
            engine.dispose()

    assert (at_log_in, len(sent) - at_log_in) == (4, 1), sent


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("ada", "wrong", Reason.WRONG_PASSWORD),
        ("gone", PASSWORD, Reason.INACTIVE_USER),
        ("hunter2-typed-into-the-wrong-field", "x", Reason.UNKNOWN_USER),
    ],
)
def test_a_refused_log_in_is_recorded_with_its_reason(
    service: Service,
    obtain: Obtain,
    add_user: AddUser,
    *,
    username: str,
    password: str,
    reason: Reason,
) -> None:
    """Staff see why, which the caller does not; what was typed for an unknown name is not kept."""
    ids = {"ada": add_user("ada").id, "gone": add_user("gone", is_active=False).id}

    assert obtain(username, password, client_ip="198.51.100.1").status_code == 401

    (refused,) = recorded(service)
    assert (refused.user_id, refused.actor_id) == (ids.get(username), None)
    assert refused.source == "198.51.100.1"
    assert (refused.detail["reason"], refused.detail["times"]) == (reason.value, 1)
    assert "hunter2" not in str(refused)


def test_a_limit_is_recorded_as_the_reason(
    service: Service, obtain: Obtain, add_user: AddUser
) -> None:
    """Support sees that the right password was refused, and for whom."""
    user = add_user()
    for _ in range(5):
        obtain("ada", "wrong", client_ip="198.51.100.2")
    assert obtain("ada", client_ip="198.51.100.2").status_code == 429

    # The server's own thread may have written the first guess alone.
    service.state.login.refused.flush(everything=True)
    events = recorded(service)

    times = Counter[str]()
    for each in events:
        times[each.detail["reason"]] += each.detail["times"]
    assert times == {"wrong_password": 5, "too_many_attempts": 1}
    assert {each.user_id for each in events} == {user.id}


def test_repetitions_are_counted_and_not_written_one_by_one(
    service: Service, clock: MovableClock
) -> None:
    """An attack of ten thousand guesses on one account is two rows."""
    refused, user_id = service.state.login.refused, uuid4()

    def guess(times: int) -> None:
        for _ in range(times):
            refused.note(
                Reason.WRONG_PASSWORD, user_id=user_id, client_ip="198.51.100.3", user_agent=""
            )

    guess(1)
    assert [each.detail["times"] for each in recorded(service)] == [1]
    guess(9_999)
    assert [each.detail["times"] for each in recorded(service)] == [1]
    clock.advance(minutes=11)
    assert [each.detail["times"] for each in recorded(service)] == [1, 9_999]
    clock.advance(minutes=11)
    assert len(recorded(service)) == 2


def test_a_flood_from_everywhere_does_not_fill_memory_or_disk(
    service: Service, clock: MovableClock
) -> None:
    """Beyond 500 accounts and addresses in ten minutes, refusals are counted without them."""
    refused = RefusedLogIns(service.engine, clock=clock)
    for number in range(5_000):
        refused.note(
            Reason.UNKNOWN_USER, user_id=None, client_ip=f"192.0.2.{number}", user_agent="x" * 9000
        )
    refused.flush()

    events = recorded(service)
    assert len(events) == refused_log_ins.MOST_COUNTS + 1
    assert sum(each.detail["times"] for each in events) == 5_000
    assert max(len(each.detail.get("user_agent", "")) for each in events) == 200
    (rest,) = (each for each in events if each.source == "several addresses")
    assert rest.detail["times"] == 4_500


def test_counts_survive_an_unavailable_database(service: Service, clock: MovableClock) -> None:
    """They are written as soon as it is back."""
    refused = RefusedLogIns(service.engine, clock=clock)
    refused.note(Reason.UNKNOWN_USER, user_id=None, client_ip="198.51.100.4", user_agent="")

    def fail(*_arguments: Any) -> None:
        raise psycopg2.OperationalError

    event.listen(service.engine, "before_cursor_execute", fail)
    try:
        refused.flush()
    finally:
        event.remove(service.engine, "before_cursor_execute", fail)
    assert recorded(service) == []

    refused.flush()
    assert [each.detail["times"] for each in recorded(service)] == [1]


def test_counting_at_once_loses_nothing(service: Service, clock: MovableClock) -> None:
    """Threads that refuse while others write."""
    refused = RefusedLogIns(service.engine, clock=clock)

    def note(_number: int) -> None:
        for _ in range(200):
            refused.note(Reason.UNKNOWN_USER, user_id=None, client_ip="x", user_agent="")
        refused.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(8)))
    refused.flush(everything=True)

    assert sum(each.detail["times"] for each in recorded(service)) == 1_600


def test_a_server_writes_refusals_by_itself_and_when_it_stops(
    service: Service, environ: dict[str, str], add_user: AddUser
) -> None:
    """The first within seconds, the rest at the latest when the process ends."""
    add_user()
    with served({**os.environ, **environ}, workers=1) as server:
        for expected in (1, 1):
            body = {"username": "ada", "password": "wrong"}
            assert server.post("/api/token/obtain", body).status_code == 401
            for _ in range(200):
                if len(recorded(service)) >= expected:
                    break
                time.sleep(0.1)
            assert len(recorded(service)) == expected
    assert [each.detail["times"] for each in recorded(service)] == [1, 1]


@pytest.fixture
def root(add_user: AddUser) -> User:
    """A superuser, who may read the log."""
    return add_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def read(as_billing: httpx.Client, root: User) -> Callable[..., list[dict[str, Any]]]:
    """Read the log as a superuser, all pages of it."""

    def pages(**query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = as_billing.get(
                "/internal/audit", params=query, headers={"X-Actor-Id": str(root.id)}
            )
            assert answer.status_code == 200, answer.text
            found += answer.json()["results"]
            if answer.json()["next_before"] is None:
                return found
            query["before"] = answer.json()["next_before"]

    return pages


def _write(service: Service, *, count: Any = 1, **values: Any) -> None:
    row = {"at": service.clock(), "source": "test", "action": "test", "detail": {}, **values}
    with service.engine.begin() as connection:
        connection.execute(insert(audit_event).values([row] * count))


def test_events_are_found_by_person_action_address_and_time(
    service: Service, read: Callable[..., list[dict[str, Any]]]
) -> None:
    """Each filter alone, and all together, over several pages."""
    ada, eve, noon = uuid4(), uuid4(), service.clock().replace(microsecond=0)
    matching = {"user_id": ada, "actor_id": eve, "action": "test.one", "source": "203.0.113.5"}
    _write(service, count=7, at=noon, **matching)
    others = {"user_id": eve, "actor_id": ada, "action": "test.two", "source": "203.0.113.6"}
    for name, value in others.items():
        _write(service, at=noon, **{**matching, name: value})
    hour = timedelta(hours=1)
    _write(service, at=noon - hour, **matching)
    _write(service, at=noon + hour, **matching)
    times = {"since": noon.isoformat(), "until": (noon + hour).isoformat()}
    wanted = {name: str(value) for name, value in matching.items()}

    for name, value in wanted.items():
        assert len(read(**{name: value})) == 12
        assert {event[name] for event in read(**{name: value}, limit=5)} == {value}
    assert len(read(**wanted, limit=2)) == 9
    found = read(**wanted, **times, limit=2)
    assert len(found) == 7
    assert [event["id"] for event in found] == sorted((e["id"] for e in found), reverse=True)


@pytest.mark.parametrize(
    "query",
    [
        {"user_id": "x"},
        {"actor_id": "x"},
        {"action": "x'; DROP TABLE users"},
        {"source": "a\0b"},
        {"source": ""},
        {"since": "yesterday"},
        {"since": "2026-11-26T12:00:00"},
        {"until": "9" * 30},
        {"limit": "501"},
        {"before": "-1"},
    ],
)
def test_a_malformed_filter_is_named(
    as_billing: httpx.Client, root: User, query: dict[str, str]
) -> None:
    """It is not ignored, which would show more than was asked for."""
    answer = as_billing.get("/internal/audit", params=query, headers={"X-Actor-Id": str(root.id)})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == list(query)


@pytest.mark.parametrize("index", ["user_id", "actor_id", "action", "source", "at"])
def test_each_filter_has_an_index(service: Service, index: str) -> None:
    """A log of years is read as fast as a log of days."""
    with service.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO audit_event (at, actor_id, source, action, user_id, detail)"
                " SELECT now() - n * interval '1 minute', gen_random_uuid(), 'x' || n % 5000,"
                " 'action.' || n % 5000, gen_random_uuid(), '{}' FROM generate_series(1, 20000) n"
            )
        )
        connection.execute(text("ANALYZE audit_event"))
        condition = {
            "source": "source = 'x77'",
            "action": "action = 'action.77'",
            "at": "at < now() - interval '13 days' AND at > now() - interval '13 days 1 hour'",
        }.get(index, f"{index} = gen_random_uuid()")
        query = f"EXPLAIN SELECT * FROM audit_event WHERE {condition} ORDER BY id DESC LIMIT 100"
        plan = "\n".join(
            connection.scalars(text(query.replace("gen_random_uuid()", f"'{uuid4()}'")))
        )
    assert f"audit_event_{index}" in plan


def test_an_export_is_recorded(service: Service, as_billing: httpx.Client, root: User) -> None:
    """Who took what out of the log, from where."""
    headers = {"X-Actor-Id": str(root.id), "X-Actor-Source": "203.0.113.8"}
    body = {"format": "csv", "filters": {"action": "login.refused"}}

    answer = as_billing.post("/internal/audit/exports", json=body, headers=headers)

    assert answer.status_code == 204
    (exported,) = recorded(service, "audit.exported")
    assert (exported.actor_id, exported.user_id, exported.source) == (root.id, None, "203.0.113.8")
    assert exported.detail == body


def test_only_superusers_export(
    service: Service, as_billing: httpx.Client, add_user: AddUser
) -> None:
    """Other staff cannot, and nothing is recorded."""
    headers = {"X-Actor-Id": str(add_user("clerk", is_staff=True).id)}
    body = {"format": "csv", "filters": {}}
    answer = as_billing.post("/internal/audit/exports", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "superuser_required")
    assert recorded(service, "audit.exported") == []


def test_events_are_deleted_when_they_are_old_enough(service: Service, clock: MovableClock) -> None:
    """Log-ins after 90 days, changes after a year, in batches."""
    for days, action, count in (
        (91, "login.granted", 1_500),
        (91, "session.ended", 1),
        (89, "login.refused", 1),
        (91, "user.deactivated", 1),
        (364, "user.created", 1),
        (366, "user.deleted", 2),
    ):
        _write(service, count=count, at=clock() - timedelta(days=days), action=action)

    delete_expired(service.engine, families=service.state.families, clock=clock)

    query = select(audit_event.c.action).order_by(audit_event.c.action)
    with service.engine.connect() as connection:
        left = connection.scalars(query).all()
    assert left == ["login.refused", "user.created", "user.deactivated"]


def test_operators_choose_the_retention(service: Service, clock: MovableClock) -> None:
    """Log-ins may be kept longer than the rest, too."""
    for action in ("login.granted", "user.created"):
        _write(service, at=clock() - timedelta(days=40), action=action)
    retention = Retention(frequent=timedelta(days=50), others=timedelta(days=30))

    delete_expired(
        service.engine, families=service.state.families, clock=clock, retention=retention
    )

    with service.engine.connect() as connection:
        assert connection.scalars(select(audit_event.c.action)).all() == ["login.granted"]


def test_a_deleted_account_leaves_no_name(
    service: Service, obtain: Obtain, add_user: AddUser
) -> None:
    """The log outlives the account, so it has ids and no names."""
    user = add_user("a-name-to-forget", email="a-name-to-forget@example.org")
    obtain("a-name-to-forget")
    obtain("a-name-to-forget", "wrong", client_ip="198.51.100.9")
    service.state.login.refused.flush()
    origin = Origin(client="test")
    with changes.change(service.engine, origin=origin, now=service.clock()) as change:
        changes.delete(change, UUID(str(user.id)))

    with service.engine.connect() as connection:
        rows = connection.execute(select(audit_event)).all()
        assert connection.scalar(select(func.count()).select_from(audit_event)) == 4
    assert "a-name-to-forget" not in str(rows)


@pytest.mark.parametrize("since", ["0999-10-04T07:51:44-21:26", "0001-01-01T00:00:00+23:00"])
def test_a_time_with_an_odd_offset_is_no_server_error(as_billing: httpx.Client, since: str) -> None:
    """PostgreSQL knows fewer offsets than ISO 8601."""
    answer = as_billing.get("/internal/audit", params={"since": since})

    assert answer.status_code in (200, 400, 403)

"""Refreshing: a token works once, a lost answer can be had again, a replay ends the family."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import jwt
import pytest
from sqlalchemy import func, select, text

from auth_service.audit import Origin
from auth_service.errors import InvalidCredentials
from auth_service.tables import audit_event, refresh_family, users
from auth_service.users import changes
from auth_service.users.accounts import User
from tests.conftest import MovableClock, Service

Obtain = Callable[..., httpx.Response]
Refresh = Callable[[str], httpx.Response]
AddUser = Callable[..., User]


def jti_of(token: str) -> str:
    """Read the name of a token that the server has just signed."""
    jti: str = jwt.decode(token, options={"verify_signature": False})["jti"]
    return jti


@pytest.fixture
def first(obtain: Obtain, add_user: AddUser) -> str:
    """The refresh token of a fresh log-in."""
    add_user()
    token: str = obtain().json()["refresh"]
    return token


def test_a_refresh_gives_both_tokens_anew(first: str, refresh: Refresh) -> None:
    """The client replaces both of its tokens by those of the answer."""
    answer = refresh(first)

    assert answer.status_code == 200
    assert set(answer.json()) == {"refresh", "access"}
    assert jti_of(answer.json()["refresh"]) != jti_of(first)
    assert answer.headers["Cache-Control"] == "no-store"


def test_refreshes_go_on_until_the_family_ends(
    first: str, refresh: Refresh, clock: MovableClock
) -> None:
    """However often it is refreshed, a session ends thirty days after its log-in."""
    token = first
    for _ in range(30):
        clock.advance(hours=23, minutes=55)
        answer = refresh(token)
        assert answer.status_code == 200
        token = answer.json()["refresh"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] < 86_400

    clock.advance(hours=3)

    assert refresh(token).status_code == 401


def test_an_expired_token_is_refused(first: str, refresh: Refresh, clock: MovableClock) -> None:
    """A session that nobody used for a day is over."""
    clock.advance(days=1, seconds=1)
    assert refresh(first).status_code == 401


def test_a_lost_answer_can_be_asked_for_again(
    first: str, refresh: Refresh, clock: MovableClock
) -> None:
    """Within ten seconds a used token gets the very token that the first answer held."""
    clock.stop()
    successor = refresh(first).json()["refresh"]
    clock.advance(seconds=10)

    assert refresh(first).json()["refresh"] == successor


def test_a_grandparent_within_the_grace_gets_the_current_head(
    first: str, refresh: Refresh, clock: MovableClock
) -> None:
    """A slow tab that still holds an older token catches up instead of logging everybody out."""
    clock.stop()
    second = refresh(first).json()["refresh"]
    head = refresh(second).json()["refresh"]

    assert refresh(first).json()["refresh"] == head


def test_a_replay_after_the_grace_ends_the_family(
    service: Service, first: str, refresh: Refresh, clock: MovableClock
) -> None:
    """Two holders of one token cannot be told apart, so both are logged out, on record."""
    head = refresh(first).json()["refresh"]
    clock.advance(seconds=11)

    replayed = refresh(first)

    assert replayed.status_code == 401
    assert replayed.json()["code"] == "token_not_valid"
    assert 'error="invalid_token"' in replayed.headers["WWW-Authenticate"]
    assert refresh(head).status_code == 401
    with service.engine.connect() as connection:
        actions = connection.scalars(select(audit_event.c.action)).all()
    assert actions.count("refresh.replayed") == 1


def test_other_sessions_of_the_user_survive_a_replay(
    first: str, refresh: Refresh, obtain: Obtain, clock: MovableClock
) -> None:
    """The stolen session dies; the phone stays logged in."""
    phone = obtain().json()["refresh"]
    refresh(first)
    clock.advance(seconds=11)
    assert refresh(first).status_code == 401

    assert refresh(phone).status_code == 200


def test_twelve_at_once_get_one_successor(service: Service, first: str, refresh: Refresh) -> None:
    """A browser that refreshes in twelve tabs at the same moment stays logged in in all of them."""
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(refresh, [first] * 12))

    assert [a.status_code for a in answers] == [200] * 12
    assert len({a.json()["refresh"] for a in answers}) == 1
    with service.engine.connect() as connection:
        used = connection.scalar(select(func.cardinality(refresh_family.c.consumed_jtis)))
    assert used == 1


def test_two_processes_agree_on_the_successor(
    service: Service, first: str, two_processes: list[str]
) -> None:
    """It does not matter which server a tab reaches; nor for the replay that ends it all."""

    def post(number: int) -> httpx.Response:
        url = two_processes[number % 2]
        return httpx.post(f"{url}/api/token/refresh", json={"refresh": first}, timeout=30)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(post, range(12)))
    assert [a.status_code for a in answers] == [200] * 12
    heads = {a.json()["refresh"] for a in answers}
    assert len(heads) == 1

    with service.engine.begin() as connection:
        connection.execute(text("UPDATE refresh_family SET consumed_at[1] = consumed_at[1] - 11"))
    assert post(0).status_code == 401
    body = {"refresh": heads.pop()}
    assert httpx.post(f"{two_processes[1]}/api/token/refresh", json=body).status_code == 401


def test_a_deactivated_user_cannot_refresh(service: Service, first: str, refresh: Refresh) -> None:
    """Deactivation ends the sessions that are already there."""
    _change(service, changes.deactivate)
    assert refresh(first).status_code == 401


def test_a_new_epoch_ends_the_sessions(service: Service, first: str, refresh: Refresh) -> None:
    """So do a new password and a log-out everywhere."""
    _change(service, changes.end_sessions)
    assert refresh(first).status_code == 401


def test_an_epoch_that_moves_back_and_forth_revives_nothing(
    service: Service, first: str, refresh: Refresh
) -> None:
    """Reactivating an account does not bring its old sessions back."""
    user = _change(service, changes.deactivate)
    with changes.change(service.engine, origin=Origin(source="test"), now=service.clock()) as c:
        changes.alter(c, user.id, {"is_active": True}, expected_version=user.version)
    assert refresh(first).status_code == 401


def test_rights_follow_at_the_next_refresh(service: Service, first: str, refresh: Refresh) -> None:
    """A promotion shows in the next access token, without a new log-in."""

    def promote(change: changes.Change, user_id: UUID) -> User:
        return changes.alter(change, user_id, {"is_staff": True}, expected_version=1)

    _change(service, promote)

    access = refresh(first).json()["access"]
    assert jwt.decode(access, options={"verify_signature": False})["is_staff"] is True


def test_an_access_token_cannot_refresh(obtain: Obtain, refresh: Refresh, first: str) -> None:
    """One kind of token never stands in for another."""
    assert refresh(obtain().json()["access"]).status_code == 401


def test_purge_removes_whole_families_that_are_over(
    service: Service, first: str, obtain: Obtain, refresh: Refresh, clock: MovableClock
) -> None:
    """The table does not grow with every log-in there ever was, and live sessions stay."""
    clock.advance(hours=12)
    alive = obtain().json()["refresh"]
    clock.advance(hours=13)

    assert service.parts.families.purge(now=clock()) == 1

    assert refresh(first).status_code == 401
    assert refresh(alive).status_code == 200


def test_purge_walks_the_table_in_batches(
    service: Service, add_user: AddUser, obtain: Obtain, clock: MovableClock
) -> None:
    """More families than one batch holds are all found, dead ones between live ones."""
    user = add_user()
    assert obtain().status_code == 200
    now = int(clock().timestamp())
    copy = text(
        "INSERT INTO refresh_family"
        " (id, user_id, epoch, head_jti, head_iat, head_exp, absolute_exp)"
        " SELECT gen_random_uuid(), :user, 1, gen_random_uuid(), 0, "
        " CASE WHEN n % 3 = 0 THEN :now + 60 ELSE :now - 60 END, :now + 60"
        " FROM generate_series(1, 3000) AS n"
    )
    with service.engine.begin() as connection:
        connection.execute(copy, {"user": user.id, "now": now})

    assert service.parts.families.purge(now=clock()) == 2000

    with service.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(refresh_family)) == 1001


def test_a_log_in_that_raced_a_deactivation_gets_nothing(
    service: Service, add_user: AddUser
) -> None:
    """While the password was hashed the account was deactivated: no session begins."""
    subject = add_user().subject
    _change(service, changes.deactivate)

    with pytest.raises(InvalidCredentials), service.engine.begin() as connection:
        service.parts.families.start(connection, subject, now=service.clock())


def _change(service: Service, act: Callable[..., User]) -> User:
    with changes.change(
        service.engine, origin=Origin(source="test"), now=service.clock()
    ) as change:
        return act(change, change.connection.scalars(select(users.c.id)).one())


def test_many_quick_refreshes_keep_the_row_small(
    service: Service, first: str, refresh: Refresh
) -> None:
    """A client that refreshes in a loop does not make its session grow."""
    token = first
    for _ in range(40):
        token = refresh(token).json()["refresh"]
    with service.engine.connect() as connection:
        used = connection.scalar(select(func.cardinality(refresh_family.c.consumed_jtis)))
    assert used == 32
    assert refresh(token).status_code == 200

"""Refreshing: a token works once, a lost response can be repeated, a replay revokes the family."""

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
    """Read the `jti` of a token."""
    jti: str = jwt.decode(token, options={"verify_signature": False})["jti"]
    return jti


@pytest.fixture
def first(obtain: Obtain, add_user: AddUser) -> str:
    """The refresh token of a new log-in."""
    add_user()
    token: str = obtain().json()["refresh"]
    return token


def test_a_refresh_returns_two_new_tokens(first: str, refresh: Refresh) -> None:
    """The client replaces both of its tokens."""
    answer = refresh(first)

    assert answer.status_code == 200
    assert set(answer.json()) == {"refresh", "access"}
    assert jti_of(answer.json()["refresh"]) != jti_of(first)
    assert answer.headers["Cache-Control"] == "no-store"


def test_refreshes_succeed_until_the_family_expires(
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
    """A session expires after a day without a refresh."""
    clock.advance(days=1, seconds=6)
    assert refresh(first).status_code == 401


def test_a_lost_response_can_be_repeated(first: str, refresh: Refresh, clock: MovableClock) -> None:
    """Within ten seconds a used token returns the same token as before."""
    clock.stop()
    successor = refresh(first).json()["refresh"]
    clock.advance(seconds=10)

    assert refresh(first).json()["refresh"] == successor


def test_an_older_token_within_the_grace_gets_the_current_head(
    first: str, refresh: Refresh, clock: MovableClock
) -> None:
    """A slow tab with an older token gets the current one; no session is logged out."""
    clock.stop()
    second = refresh(first).json()["refresh"]
    head = refresh(second).json()["refresh"]

    assert refresh(first).json()["refresh"] == head


def test_a_replay_after_the_grace_revokes_the_family(
    service: Service, first: str, refresh: Refresh, clock: MovableClock
) -> None:
    """A thief and a user with the same token cannot be distinguished: both are logged out."""
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
    """The stolen session is revoked; the phone stays logged in."""
    phone = obtain().json()["refresh"]
    refresh(first)
    clock.advance(seconds=11)
    assert refresh(first).status_code == 401

    assert refresh(phone).status_code == 200


def test_twelve_at_once_get_one_successor(service: Service, first: str, refresh: Refresh) -> None:
    """A browser that refreshes in twelve tabs at once stays logged in in all of them."""
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
    """It does not matter which server gets a refresh or a replay."""

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
    """A deactivation revokes the sessions of the user."""
    _change(service, changes.deactivate)
    assert refresh(first).status_code == 401


def test_a_new_epoch_revokes_the_sessions(service: Service, first: str, refresh: Refresh) -> None:
    """A new password and a log-out everywhere do so too."""
    _change(service, changes.revoke_tokens)
    assert refresh(first).status_code == 401


def test_an_epoch_that_moves_back_and_forth_revives_nothing(
    service: Service, first: str, refresh: Refresh
) -> None:
    """The old sessions of a reactivated account stay revoked."""
    user = _change(service, changes.deactivate)
    with changes.change(service.engine, origin=Origin(client="test"), now=service.clock()) as c:
        changes.update(c, user.id, {"is_active": True}, expected_version=user.version)
    assert refresh(first).status_code == 401


def test_rights_change_at_the_next_refresh(service: Service, first: str, refresh: Refresh) -> None:
    """A new right is in the next access token, without a new log-in."""

    def promote(change: changes.Change, user_id: UUID) -> User:
        return changes.update(change, user_id, {"is_staff": True}, expected_version=1)

    _change(service, promote)

    access = refresh(first).json()["access"]
    assert jwt.decode(access, options={"verify_signature": False})["is_staff"] is True


def test_an_access_token_cannot_refresh(obtain: Obtain, refresh: Refresh, first: str) -> None:
    """A token of one type is never accepted as another."""
    assert refresh(obtain().json()["access"]).status_code == 401


def test_expired_families_are_deleted(
    service: Service, first: str, obtain: Obtain, refresh: Refresh, clock: MovableClock
) -> None:
    """The table does not grow forever, and active sessions stay."""
    clock.advance(hours=12)
    alive = obtain().json()["refresh"]
    clock.advance(hours=13)

    assert service.state.families.delete_expired(now=clock()) == 1

    assert refresh(first).status_code == 401
    assert refresh(alive).status_code == 200


def test_expired_families_are_deleted_in_batches(
    service: Service, add_user: AddUser, obtain: Obtain, clock: MovableClock
) -> None:
    """More families than one batch are found, also between active ones."""
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

    assert service.state.families.delete_expired(now=clock()) == 2000

    with service.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(refresh_family)) == 1001


def test_a_log_in_during_a_deactivation_is_refused(service: Service, add_user: AddUser) -> None:
    """The account was deactivated while the password was hashed: no session starts."""
    subject = add_user().subject
    _change(service, changes.deactivate)

    with pytest.raises(InvalidCredentials), service.engine.begin() as connection:
        service.state.families.start(
            connection, subject, origin=Origin(client="test"), method="test", now=service.clock()
        )


def _change(service: Service, act: Callable[..., User]) -> User:
    with changes.change(
        service.engine, origin=Origin(client="test"), now=service.clock()
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

"""The mirror follows auth-service's feed."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from identity.revocation import RELEVANT_FOR, REVOCATIONS
from tests.auth_stand_in import AuthStandIn, Refusal
from users import watch
from users.auth_client import AuthUnavailable
from users.feed import apply_user_changes, follow_user_changes
from users.mirror import anonymise, apply_user, mirror_user
from users.models import FeedPosition, User
from users.watch import look

pytestmark = pytest.mark.django_db
Authorization = Callable[..., dict[str, str]]


def test_changes_arrive_once_and_in_order(auth_service: AuthStandIn) -> None:
    """A second reading brings nothing, a later change only itself."""
    user_id = auth_service.add_user("alice")

    assert apply_user_changes() == 1
    assert apply_user_changes() == 0
    auth_service.change_user(user_id, email="alice@example.com")
    assert apply_user_changes() == 1
    assert User.objects.get(id=user_id).email == "alice@example.com"


def test_more_than_a_page_is_read_to_its_end(
    auth_service: AuthStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new installation beside an old auth-service mirrors everyone in one go."""
    monkeypatch.setattr("users.feed._PAGE_SIZE", 3)
    for number in range(7):
        auth_service.add_user(f"user{number}")

    assert apply_user_changes() == 7
    assert User.objects.count() == 7
    assert FeedPosition.objects.get().after == 7


def test_the_position_stays_while_auth_service_is_unavailable(auth_service: AuthStandIn) -> None:
    """Nothing is lost: after the outage reading goes on where it stopped."""
    auth_service.add_user("alice")
    auth_service.away = True
    with pytest.raises(AuthUnavailable):
        apply_user_changes()

    auth_service.away = False

    assert apply_user_changes() == 1


def test_an_older_database_of_auth_service_is_followed(auth_service: AuthStandIn) -> None:
    """After a restore the mirror forgets what was undone, instead of waiting to be overtaken."""
    user_id = auth_service.add_user("alice")
    backup = dict(auth_service.users[str(user_id)])
    auth_service.change_user(user_id, is_staff=True)
    auth_service.change_user(user_id, is_superuser=True)
    apply_user_changes()

    auth_service.users[str(user_id)] = backup
    auth_service.changes = auth_service.changes[:1]
    apply_user_changes()

    user = User.objects.get(id=user_id)
    assert (user.is_staff, user.is_superuser, user.version) == (False, False, backup["version"])
    assert FeedPosition.objects.get().after == 1


@pytest.mark.django_db(transaction=True)
def test_tokens_of_a_restored_epoch_are_good_until_the_next(
    client: Client, auth_service: AuthStandIn, authorization: Authorization
) -> None:
    """After a restore users work on with their new log-in, and are logged out as before."""
    user_id = auth_service.add_user("alice", auth_epoch=1)
    backup = dict(auth_service.users[str(user_id)])
    auth_service.change_user(user_id, auth_epoch=7)
    apply_user_changes()
    auth_service.users[str(user_id)] = backup
    auth_service.changes = auth_service.changes[:1]
    apply_user_changes()
    look()
    restored = _status(client, authorization(user_id, auth_epoch=1))
    auth_service.change_user(user_id, auth_epoch=2)
    apply_user_changes()
    look()

    assert restored == 404
    assert _status(client, authorization(user_id, auth_epoch=1)) == 401


def test_the_epoch_never_goes_back(auth_service: AuthStandIn) -> None:
    """A slow log-in answer that overtakes nothing must not revive revoked tokens."""
    user_id = auth_service.add_user("alice", auth_epoch=7, version=3)
    apply_user_changes()

    apply_user({**auth_service.users[str(user_id)], "auth_epoch": 6})
    apply_user({**auth_service.users[str(user_id)], "auth_epoch": 2, "version": 2})

    assert User.objects.get(id=user_id).auth_epoch == 7


def test_an_older_version_changes_nothing(auth_service: AuthStandIn) -> None:
    """Answers that overtake each other leave the newest one standing."""
    user_id = auth_service.add_user("alice", version=3)
    old = dict(auth_service.users[str(user_id)], username="ancient", version=2)
    apply_user_changes()

    apply_user(old)

    assert User.objects.get(id=user_id).username == "alice"


@pytest.mark.parametrize("order", ["rename first", "reuse first"])
def test_a_name_may_pass_to_someone_else(auth_service: AuthStandIn, order: str) -> None:
    """Alice becomes bob and a new alice comes: both rows end right, in either order."""
    first = auth_service.add_user("alice")
    apply_user_changes()
    auth_service.change_user(first, username="bob")
    second = auth_service.add_user("alice")
    documents = [auth_service.users[str(first)], auth_service.users[str(second)]]

    for document in documents if order == "rename first" else reversed(documents):
        apply_user(document)

    names = dict(User.objects.values_list("id", "username"))
    assert names == {first: "bob", second: "alice"}


def test_two_names_may_be_swapped(auth_service: AuthStandIn) -> None:
    """Even a swap, which no order of single steps survives, ends right."""
    first, second = auth_service.add_user("alice"), auth_service.add_user("bob")
    apply_user_changes()
    auth_service.change_user(first, username="bob")
    auth_service.change_user(second, username="alice")

    apply_user_changes()

    names = dict(User.objects.values_list("id", "username"))
    assert names == {first: "bob", second: "alice"}


@pytest.mark.parametrize("prefix", ["user", "deleted"])
def test_no_username_stands_in_the_way_of_the_feed(auth_service: AuthStandIn, prefix: str) -> None:
    """A username that looks like another user's id does not affect that user."""
    alice = auth_service.add_user("alice")
    mallory = auth_service.add_user(f"{prefix}-{alice}")
    auth_service.changes.reverse()
    apply_user_changes()
    names = dict(User.objects.values_list("id", "username"))
    auth_service.change_user(alice, username="countess")
    heir = auth_service.add_user("alice")
    auth_service.changes[-2:] = reversed(auth_service.changes[-2:])
    apply_user_changes()
    anonymise(alice)

    assert names == {alice: "alice", mallory: f"{prefix}-{alice}"}
    assert dict(User.objects.values_list("id", "username")) == {
        alice: f"deleted:{alice}",
        mallory: f"{prefix}-{alice}",
        heir: "alice",
    }


def test_a_users_first_request_needs_no_feed(auth_service: AuthStandIn) -> None:
    """A foreign key can be made before the feed has brought the user; the name comes later."""
    user_id = auth_service.add_user("alice")

    mirror_user(user_id)
    bare = User.objects.get(id=user_id)
    apply_user_changes()

    assert bare.username == f"user:{user_id}"
    assert User.objects.get(id=user_id).username == "alice"


@pytest.mark.django_db(transaction=True)
def test_first_requests_at_once_make_one_row() -> None:
    """A double click of a brand-new user is no IntegrityError."""
    user_id = uuid.uuid4()
    gate = threading.Barrier(4)

    def ask() -> None:
        gate.wait(10)
        try:
            mirror_user(user_id)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for asked in [pool.submit(ask) for _ in range(4)]:
            asked.result()

    assert User.objects.get().id == user_id


def _revokes(user_id: uuid.UUID, *, auth_epoch: int) -> bool:
    revoked = REVOCATIONS.by_user.get(user_id)
    return revoked is not None and auth_epoch < revoked.minimum_epoch


def _status(client: Client, headers: dict[str, str]) -> int:
    return client.get("/api/subscriptions/status", headers=headers).status_code


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [{"is_active": False}, {"auth_epoch": 2}], ids=str)
def test_a_revoked_access_token_is_refused_without_a_look_up(
    client: Client,
    auth_service: AuthStandIn,
    authorization: Authorization,
    change: dict[str, object],
) -> None:
    """Deactivation or log-out everywhere reaches good tokens through feed and watch."""
    user_id = auth_service.add_user("alice")
    apply_user_changes()
    headers = authorization(user_id)
    look()
    assert _status(client, headers) == 404

    auth_service.change_user(user_id, **change)
    apply_user_changes()
    look()

    assert _status(client, headers) == 401


@pytest.mark.django_db(transaction=True)
def test_a_token_of_the_new_epoch_is_good_again(
    client: Client, auth_service: AuthStandIn, authorization: Authorization
) -> None:
    """After a password change the user logs in again and goes on."""
    user_id = auth_service.add_user("alice")
    apply_user_changes()
    auth_service.change_user(user_id, auth_epoch=2)
    apply_user_changes()
    look()

    assert _status(client, authorization(user_id, auth_epoch=1)) == 401
    assert _status(client, authorization(user_id, auth_epoch=2)) == 404


@pytest.mark.django_db(transaction=True)
def test_old_revocations_are_forgotten(auth_service: AuthStandIn) -> None:
    """The map holds those whose tokens could still be alive, so it stays small."""
    user_id = auth_service.add_user("alice")
    apply_user_changes()
    auth_service.change_user(user_id, is_active=False)
    apply_user_changes()
    look()
    assert _revokes(user_id, auth_epoch=1)

    REVOCATIONS.add([], now=timezone.now() + RELEVANT_FOR)

    assert not _revokes(user_id, auth_epoch=1)


@pytest.mark.django_db(transaction=True)
def test_new_users_count_as_revoked_only_if_a_token_of_theirs_can_be(
    auth_service: AuthStandIn,
) -> None:
    """An import of many users leaves nothing to look at; a log-out before we heard of one does."""
    new = auth_service.add_user("new")
    logged_out = auth_service.add_user("logged-out", auth_epoch=2)
    deactivated = auth_service.add_user("deactivated", is_active=False)
    apply_user_changes()
    look()

    assert User.objects.get(id=new).tokens_revoked_at is None
    assert not _revokes(new, auth_epoch=1)
    assert _revokes(logged_out, auth_epoch=1)
    assert _revokes(deactivated, auth_epoch=1)


@pytest.mark.django_db(transaction=True)
def test_a_look_reads_only_what_was_revoked_since_the_last_one(auth_service: AuthStandIn) -> None:
    """A log-out of everyone is read once, not every two seconds for an hour."""
    user_id = auth_service.add_user("alice", auth_epoch=2)
    apply_user_changes()
    two_minutes_ago = timezone.now() - timedelta(minutes=2)
    User.objects.update(tokens_revoked_at=two_minutes_ago)
    look()
    assert _revokes(user_id, auth_epoch=1)

    User.objects.update(auth_epoch=9)
    look()

    # Its moment has not changed, so it was not read again.
    assert not _revokes(user_id, auth_epoch=8)
    assert _revokes(user_id, auth_epoch=1)


@pytest.mark.django_db(transaction=True)
def test_a_reactivated_user_goes_on_with_a_good_token(
    client: Client, auth_service: AuthStandIn, authorization: Authorization
) -> None:
    """What a deactivation revoked counts again once it is taken back in the same epoch."""
    user_id = auth_service.add_user("alice")
    apply_user_changes()
    auth_service.change_user(user_id, is_active=False)
    apply_user_changes()
    look()
    assert _status(client, authorization(user_id, auth_epoch=1)) == 401

    auth_service.change_user(user_id, is_active=True)
    apply_user_changes()
    look()

    assert _status(client, authorization(user_id, auth_epoch=1)) == 404


@pytest.mark.django_db(transaction=True)
def test_the_worker_outlives_an_outage_and_stops_when_asked(auth_service: AuthStandIn) -> None:
    """The loop reads on after auth-service's return and ends with the worker."""
    auth_service.add_user("alice")
    auth_service.away = True
    stop = threading.Event()
    loop = threading.Thread(target=follow_user_changes, args=(stop,), daemon=True)
    loop.start()
    _wait_until(lambda: auth_service.count("POST", "/internal/token") > 0)
    auth_service.away = False
    _wait_until(User.objects.exists)
    stop.set()
    loop.join(10)

    assert not loop.is_alive()


@pytest.mark.django_db(transaction=True)
def test_the_worker_outlives_a_refusal(auth_service: AuthStandIn) -> None:
    """Keys or names that do not fit for a while cost no restart."""
    apply_user_changes()
    auth_service.add_user("alice")
    auth_service.refuse_next = Refusal(403, "superuser_required")
    stop = threading.Event()
    loop = threading.Thread(target=follow_user_changes, args=(stop,), daemon=True)
    loop.start()
    _wait_until(User.objects.exists)
    stop.set()
    loop.join(10)

    assert not loop.is_alive()


@pytest.mark.django_db(transaction=True)
def test_the_worker_outlives_an_unexpected_error(
    auth_service: AuthStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """A change that makes no sense is logged with its traceback, and later ones still arrive."""
    user_id = auth_service.add_user("alice")
    email = auth_service.users[str(user_id)].pop("email")
    stop = threading.Event()
    loop = threading.Thread(target=follow_user_changes, args=(stop,), daemon=True)
    loop.start()
    _wait_until(lambda: any(record.exc_info for record in caplog.records))
    auth_service.users[str(user_id)]["email"] = email
    _wait_until(User.objects.exists)
    stop.set()
    loop.join(10)

    assert not loop.is_alive()


def test_a_web_process_outlives_an_unexpected_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a process that looks alive would go on without later revocations and keys."""

    class Enough(BaseException):
        """The test has seen two rounds."""

    rounds = iter([LookupError("no such thing"), Enough()])

    def fail() -> None:
        raise next(rounds)

    monkeypatch.setattr(watch, "look", fail)
    monkeypatch.setattr(watch, "INTERVAL_SECONDS", 0.0)
    with pytest.raises(Enough):
        watch._keep_looking()

    assert "no such thing" in caplog.text


def _wait_until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it never came true")


def test_the_service_token_is_asked_for_once(auth_service: AuthStandIn) -> None:
    """A token serves many calls."""
    apply_user_changes()
    apply_user_changes()

    assert auth_service.count("POST", "/internal/token") == 1

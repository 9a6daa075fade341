"""A user who goes is cancelled at Stripe first, then deleted, then forgotten here."""

import uuid
from collections.abc import Callable

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.test import Client

from backoffice import user_deletion
from errors import Unavailable
from tests.auth_stand_in import AuthStandIn, Refusal
from tests.backoffice.pages import LIST, PASSWORD, change, submit
from users.feed import apply_user_changes
from users.models import User, UserState

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[..., tuple[Client, uuid.UUID]]


class Stripe:
    """Records what must be settled at Stripe, and can be away."""

    def __init__(self, auth_service: AuthStandIn) -> None:
        self.away = False
        self.stumbles_over: uuid.UUID | None = None
        self.cancelled: list[uuid.UUID] = []
        self._auth_service = auth_service

    def cancel_everything_for(self, user_id: uuid.UUID) -> None:
        """Cancel, while the user can no longer subscribe again but is not yet deleted."""
        if self.away:
            raise Unavailable("Stripe does not answer right now.")
        if user_id == self.stumbles_over:
            raise LookupError(user_id)
        assert self._auth_service.users[str(user_id)]["is_active"] is False
        assert self._auth_service.count("DELETE", f"/internal/users/{user_id}") == 0
        self.cancelled.append(user_id)


@pytest.fixture
def stripe(auth_service: AuthStandIn, monkeypatch: pytest.MonkeyPatch) -> Stripe:
    """What subscriptions do for a deletion, watched."""
    watched = Stripe(auth_service)
    monkeypatch.setattr(user_deletion, "cancel_everything_for", watched.cancel_everything_for)
    return watched


@pytest.fixture
def alice(auth_service: AuthStandIn, staff_client: Client) -> uuid.UUID:
    """A customer, mirrored."""
    user_id = auth_service.add_user("alice", password=PASSWORD, email="alice@example.com")
    apply_user_changes()
    return user_id


def _delete(client: Client, user_id: uuid.UUID) -> str:
    return submit(client, f"/admin/users/user/{user_id}/delete/", {"post": "yes"})


def test_a_deleted_user_is_cancelled_deleted_and_anonymised(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """Afterwards nothing here says who it was, and what pointed at the row still does."""
    page = _delete(staff_client, alice)

    row = User.objects.get(id=alice)
    assert "The user “alice” was deleted." in page
    assert stripe.cancelled == [alice]
    assert auth_service.count("DELETE", f"/internal/users/{alice}") == 1
    assert (row.username, row.email, row.state) == (f"deleted:{alice}", "", UserState.DELETED)


def test_the_confirmation_says_what_will_happen(
    staff_client: Client, stripe: Stripe, alice: uuid.UUID
) -> None:
    """Staff know about Stripe before they click."""
    page = staff_client.get(f"/admin/users/user/{alice}/delete/").content.decode()

    assert "cancelled at Stripe" in page
    assert stripe.cancelled == []


def test_stripe_away_leaves_the_deletion_pending_and_visible(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """The user is switched off at once; the rest is the worker's when Stripe is back."""
    stripe.away = True

    page = _delete(staff_client, alice)
    listing = staff_client.get(LIST, {"state": "deletion_pending"}).content.decode()

    assert "is pending and goes on by itself: Stripe does not answer" in page
    assert "Deletion pending" in listing
    assert auth_service.users[str(alice)]["is_active"] is False
    assert auth_service.count("DELETE", f"/internal/users/{alice}") == 0

    assert user_deletion.finish_deletions() == 0
    stripe.away = False
    assert user_deletion.finish_deletions() == 1
    assert User.objects.get(id=alice).state == UserState.DELETED


def test_auth_service_away_leaves_the_deletion_pending(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """Nothing is cancelled before the user is switched off: he could subscribe again."""
    auth_service.away = True

    page = _delete(staff_client, alice)

    assert "is pending and goes on by itself: auth-service does not answer" in page
    assert stripe.cancelled == []
    auth_service.away = False
    assert user_deletion.finish_deletions() == 1
    assert stripe.cancelled == [alice]


def _actors(auth_service: AuthStandIn, user_id: uuid.UUID) -> set[tuple[str, str, str | None]]:
    steps = {
        ("POST", f"/internal/users/{user_id}/deactivate"),
        ("DELETE", f"/internal/users/{user_id}"),
    }
    return {
        (method, headers.get("X-Actor-Id", ""), headers.get("X-Actor-Source"))
        for method, path, headers in auth_service.requests
        if (method, path) in steps
    }


def test_whoever_asked_for_a_deletion_is_told_with_every_step(
    sign_in: SignIn, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """auth-service checks and logs the member of staff, also when the worker finishes later."""
    client, boss_id = sign_in("second")
    stripe.away = True
    _delete(client, alice)
    stripe.away = False

    assert user_deletion.finish_deletions() == 1
    assert _actors(auth_service, alice) == {
        ("POST", str(boss_id), "127.0.0.1"),
        ("DELETE", str(boss_id), "127.0.0.1"),
    }


def test_a_deletion_that_waits_can_be_taken_over(
    sign_in: SignIn, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """One whose requester may no longer do it does not wait for ever."""
    first, _ = sign_in("first")
    auth_service.away = True
    _delete(first, alice)
    auth_service.away = False
    second, second_id = sign_in("second")
    auth_service.refuse_next = Refusal(403, "superuser_required")
    refused = user_deletion.finish_deletions()
    page = _delete(second, alice)

    assert refused == 0
    assert "The user “alice” was deleted." in page
    assert ("DELETE", str(second_id), "127.0.0.1") in _actors(auth_service, alice)


def test_one_deletion_that_fails_does_not_keep_the_others(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """The worker goes through all that are pending, whatever is wrong with one of them."""
    users = [alice, *(auth_service.add_user(name) for name in ("bob", "carol"))]
    apply_user_changes()
    stripe.away = True
    for user_id in users:
        _delete(staff_client, user_id)
    stripe.away = False
    stripe.stumbles_over = users[1]

    assert user_deletion.finish_deletions() == 2
    assert User.objects.get(id=users[1]).state == UserState.DELETION_PENDING


def test_a_refused_deletion_does_nothing(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """The last superuser stays, with his subscription."""
    auth_service.refuse_next = Refusal(409, "last_superuser")

    page = _delete(staff_client, alice)

    assert "was kept: Refused: last_superuser." in page
    assert stripe.cancelled == []
    assert User.objects.get(id=alice).state == UserState.ACTIVE


def test_nobody_deletes_himself(sign_in: SignIn, stripe: Stripe) -> None:
    """Neither on the page nor by the bulk action; the admin log would lose its author."""
    client, boss_id = sign_in()
    form = {"action": "delete_selected", "_selected_action": [str(boss_id)], "post": "yes"}

    assert client.post(f"/admin/users/user/{boss_id}/delete/", {"post": "yes"}).status_code == 403
    assert "Cannot delete" in submit(client, LIST, form)
    assert User.objects.get(id=boss_id).state == UserState.ACTIVE
    assert stripe.cancelled == []


def test_the_bulk_action_goes_the_same_way(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """Several users go after one confirmation, each through Stripe and auth-service."""
    bob = auth_service.add_user("bob")
    apply_user_changes()
    form = {"action": "delete_selected", "_selected_action": [str(alice), str(bob)]}

    assert "cancelled at Stripe" in submit(staff_client, LIST, form)
    submit(staff_client, LIST, form | {"post": "yes"})

    assert sorted(map(str, stripe.cancelled)) == sorted([str(alice), str(bob)])
    assert User.objects.filter(anonymised_at=None).values_list("username", flat=True)[0] == "boss"


def test_the_bulk_action_stops_when_auth_service_is_away(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """One user is waited for, not each of fifty; the others are as they were."""
    bob = auth_service.add_user("bob")
    apply_user_changes()
    auth_service.away = True
    form = {"action": "delete_selected", "_selected_action": [str(alice), str(bob)]}

    page = submit(staff_client, LIST, form | {"post": "yes"})

    assert "goes on by itself" in page
    assert "All others were left alone." in page
    states = sorted(User.objects.get(id=user_id).state for user_id in (alice, bob))
    assert states == [UserState.ACTIVE, UserState.DELETION_PENDING]


def test_the_admin_log_of_a_deleted_actor_stays(
    sign_in: SignIn, staff_client: Client, stripe: Stripe
) -> None:
    """What a former member of staff did can still be read."""
    other, other_id = sign_in("other")
    other.post("/admin/auth/group/add/", {"name": "support"})

    _delete(staff_client, other_id)

    assert LogEntry.objects.filter(user_id=other_id).count() == 1
    assert other.get("/admin/").status_code == 302


def _logged(user_id: uuid.UUID) -> list[tuple[int, str]]:
    entries = LogEntry.objects.filter(object_id=str(user_id)).order_by("id")
    return list(entries.values_list("action_flag", "object_repr"))


def test_the_admin_log_tells_of_a_deletion_without_naming_anybody(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """What was refused is not logged as done; a name stays in the log only while it is needed."""
    change(staff_client, alice, username="alicia", email="alicia@example.com")
    auth_service.refuse_next = Refusal(409, "last_superuser")
    _delete(staff_client, alice)
    refused = _logged(alice)
    stripe.away = True
    _delete(staff_client, alice)
    pending = _logged(alice)
    stripe.away = False
    _delete(staff_client, alice)

    assert refused == [(CHANGE, "alicia")]
    assert pending == [(CHANGE, "alicia"), (DELETION, "alicia")]
    assert {name for _, name in _logged(alice)} == {f"deleted:{alice}"}
    assert "alicia" not in str(list(LogEntry.objects.values()))


def test_a_user_deleted_at_auth_service_is_cancelled_too(
    auth_service: AuthStandIn, staff_client: Client, stripe: Stripe, alice: uuid.UUID
) -> None:
    """The feed's word starts the same deletion: nobody pays on without an account."""
    auth_service.change_user(alice, is_active=False)
    auth_service.changes.append((str(alice), True))
    del auth_service.passwords[str(alice)]
    apply_user_changes()

    assert User.objects.get(id=alice).state == UserState.DELETION_PENDING
    stripe_saw = user_deletion.finish_deletions()
    assert (stripe_saw, stripe.cancelled) == (1, [alice])


def test_a_deleted_user_whom_an_older_database_brings_back_is_deleted_again(
    staff_client: Client, auth_service: AuthStandIn, stripe: Stripe, alice: uuid.UUID
) -> None:
    """Restoring auth-service's backup undoes no deletion, nor puts the name here again."""
    _delete(staff_client, alice)
    auth_service.change_user(alice, username="alice", email="alice@example.com", is_active=True)
    auth_service.requests.clear()

    apply_user_changes()
    row = User.objects.get(id=alice)
    finished = user_deletion.finish_deletions()
    apply_user_changes()

    assert (row.email, row.state) == ("", UserState.DELETION_PENDING)
    assert finished == 1
    assert auth_service.count("DELETE", f"/internal/users/{alice}") == 1
    assert User.objects.get(id=alice).state == UserState.DELETED

"""A user's subscription ends at Stripe first, then the account, then the personal data here."""

import uuid
from collections.abc import Callable

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.test import Client

from backoffice import user_deletion
from tests.auth_stand_in import AuthStandIn, Refusal
from tests.backoffice.pages import LIST, PASSWORD, act, change, submit
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.feed import apply_user_changes
from users.mirror import anonymise
from users.models import User, UserState

pytestmark = pytest.mark.django_db(transaction=True)
UNAVAILABLE = {"effect": "error", "status": 500}
SignIn = Callable[..., tuple[Client, uuid.UUID]]


@pytest.fixture
def alice(auth_service: AuthStandIn, staff_client: Client, stripe: Sandbox) -> Person:
    """A subscriber."""
    user_id = auth_service.add_user("alice", password=PASSWORD, email="alice@example.com")
    person = Person(stripe, user_id=user_id)
    apply_user_changes()
    assert person.subscribe().status_code == 200
    return person


def _delete(client: Client, user_id: uuid.UUID) -> str:
    return submit(client, f"/admin/users/user/{user_id}/delete/", {"post": "yes"})


def test_a_deleted_user_is_cancelled_deleted_and_anonymised(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """Afterwards nothing here says who it was, and what pointed at the row still does."""
    page = _delete(staff_client, alice.id)

    row = User.objects.get(id=alice.id)
    assert "The user “alice” was deleted." in page
    assert stripe.customers_of(alice.id) == []
    assert auth_service.count("DELETE", f"/internal/users/{alice.id}") == 1
    assert (row.username, row.email, row.state) == (f"deleted:{alice.id}", "", UserState.DELETED)


def test_the_confirmation_says_what_will_happen(
    staff_client: Client, stripe: Sandbox, alice: Person
) -> None:
    """Staff know about Stripe before they click."""
    page = staff_client.get(f"/admin/users/user/{alice.id}/delete/").content.decode()

    assert "cancelled at Stripe" in page
    assert len(stripe.customers_of(alice.id)) == 1


def test_stripe_unavailable_leaves_the_deletion_pending_and_visible(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """The user is deactivated at once; the worker does the rest when Stripe is back."""
    with stripe.fault(**UNAVAILABLE):
        page = _delete(staff_client, alice.id)
        assert user_deletion.finish_deletions() == 0
    listing = staff_client.get(LIST, {"state": "deletion_pending"}).content.decode()

    assert "“alice” is pending" in page
    assert "Deletion pending" in listing
    assert auth_service.users[str(alice.id)]["is_active"] is False
    assert auth_service.count("DELETE", f"/internal/users/{alice.id}") == 0

    assert user_deletion.finish_deletions() == 1
    assert User.objects.get(id=alice.id).state == UserState.DELETED


def test_auth_service_unavailable_leaves_the_deletion_pending(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """Nothing is cancelled before the user is deactivated: they could subscribe again."""
    auth_service.away = True

    page = _delete(staff_client, alice.id)

    assert "is pending and continues by itself: auth-service cannot be reached" in page
    assert len(stripe.customers_of(alice.id)) == 1
    auth_service.away = False
    assert user_deletion.finish_deletions() == 1
    assert stripe.customers_of(alice.id) == []


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


def test_the_requester_of_a_deletion_is_sent_with_every_step(
    sign_in: SignIn, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """auth-service checks and logs the member of staff, also when the worker finishes later."""
    client, boss_id = sign_in("second")
    with stripe.fault(**UNAVAILABLE):
        _delete(client, alice.id)

    assert user_deletion.finish_deletions() == 1
    assert _actors(auth_service, alice.id) == {
        ("POST", str(boss_id), "127.0.0.1"),
        ("DELETE", str(boss_id), "127.0.0.1"),
    }


def test_a_deletion_that_waits_can_be_taken_over(
    sign_in: SignIn, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """One whose requester may no longer do it does not wait forever."""
    first, _ = sign_in("first")
    auth_service.away = True
    _delete(first, alice.id)
    auth_service.away = False
    second, second_id = sign_in("second")
    auth_service.refuse_next = Refusal(403, "superuser_required")
    refused = user_deletion.finish_deletions()
    page = _delete(second, alice.id)

    assert refused == 0
    assert "The user “alice” was deleted." in page
    assert ("DELETE", str(second_id), "127.0.0.1") in _actors(auth_service, alice.id)


def test_a_bug_in_one_deletion_does_not_stop_the_others(
    staff_client: Client,
    auth_service: AuthStandIn,
    alice: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker goes through all pending deletions, whatever is wrong with one of them."""
    users = [alice.id, *(auth_service.add_user(name) for name in ("bob", "carol"))]
    apply_user_changes()
    auth_service.away = True
    for user_id in users:
        _delete(staff_client, user_id)
    auth_service.away = False

    def buggy(user_id: uuid.UUID) -> None:
        if user_id == users[1]:
            raise LookupError(user_id)
        anonymise(user_id)

    monkeypatch.setattr(user_deletion, "anonymise", buggy)

    assert user_deletion.finish_deletions() == 2
    assert User.objects.get(id=users[1]).state == UserState.DELETION_PENDING


def test_a_refused_deletion_does_nothing(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """The last superuser stays, with his subscription."""
    auth_service.refuse_next = Refusal(409, "last_superuser")

    page = _delete(staff_client, alice.id)

    assert "was not changed: Refused: last_superuser." in page
    assert len(stripe.customers_of(alice.id)) == 1
    assert User.objects.get(id=alice.id).state == UserState.ACTIVE


def test_staff_cannot_delete_themselves(sign_in: SignIn, stripe: Sandbox) -> None:
    """Neither on the page nor by the bulk action; the admin log would lose its author."""
    client, boss_id = sign_in()
    form = {"action": "delete_selected", "_selected_action": [str(boss_id)]}

    assert client.post(f"/admin/users/user/{boss_id}/delete/", {"post": "yes"}).status_code == 403
    assert "Not these, which you may not" in submit(client, LIST, form)
    assert "may not do it" in act(client, LIST, "delete_selected", [boss_id])
    assert User.objects.get(id=boss_id).state == UserState.ACTIVE


def test_the_bulk_action_goes_the_same_way(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """Several users go after one confirmation, each through Stripe and auth-service."""
    bob = auth_service.add_user("bob")
    apply_user_changes()
    form = {"action": "delete_selected", "_selected_action": [str(alice.id), str(bob)]}

    assert "cancelled at Stripe" in submit(staff_client, LIST, form)
    page = act(staff_client, LIST, "delete_selected", [alice.id, bob])

    assert "2 done" in page
    assert stripe.customers_of(alice.id) == []
    assert auth_service.count("DELETE", f"/internal/users/{bob}") == 1
    assert User.objects.filter(anonymised_at=None).values_list("username", flat=True)[0] == "boss"


def test_the_admin_log_of_a_deleted_actor_stays(
    sign_in: SignIn, staff_client: Client, stripe: Sandbox
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
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """What was refused is not logged as done; a name stays in the log only while it is needed."""
    change(staff_client, alice.id, username="alicia", email="alicia@example.com")
    auth_service.refuse_next = Refusal(409, "last_superuser")
    _delete(staff_client, alice.id)
    refused = _logged(alice.id)
    with stripe.fault(**UNAVAILABLE):
        _delete(staff_client, alice.id)
    pending = _logged(alice.id)
    _delete(staff_client, alice.id)

    assert refused == [(CHANGE, "alicia")]
    assert pending == [(CHANGE, "alicia"), (DELETION, "alicia")]
    assert {name for _, name in _logged(alice.id)} == {f"deleted:{alice.id}"}
    assert "alicia" not in str(list(LogEntry.objects.values()))


def test_a_user_deleted_at_auth_service_is_cancelled_too(
    auth_service: AuthStandIn, staff_client: Client, stripe: Sandbox, alice: Person
) -> None:
    """The feed starts the same deletion: a user without an account is not billed."""
    auth_service.change_user(alice.id, is_active=False)
    auth_service.changes.append((str(alice.id), True))
    del auth_service.passwords[str(alice.id)]
    apply_user_changes()

    assert User.objects.get(id=alice.id).state == UserState.DELETION_PENDING
    assert user_deletion.finish_deletions() == 1
    assert stripe.customers_of(alice.id) == []


def test_a_deleted_user_whom_an_older_database_brings_back_is_deleted_again(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox, alice: Person
) -> None:
    """Restoring auth-service's backup undoes no deletion, nor puts the name here again."""
    _delete(staff_client, alice.id)
    auth_service.change_user(alice.id, username="alice", email="alice@example.com", is_active=True)
    auth_service.requests.clear()

    apply_user_changes()
    row = User.objects.get(id=alice.id)
    finished = user_deletion.finish_deletions()
    apply_user_changes()

    assert (row.email, row.state) == ("", UserState.DELETION_PENDING)
    assert finished == 1
    assert auth_service.count("DELETE", f"/internal/users/{alice.id}") == 1
    assert User.objects.get(id=alice.id).state == UserState.DELETED

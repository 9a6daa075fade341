"""Staff manage auth-service's users at /admin/users/."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from tests.auth_stand_in import AuthStandIn
from tests.backoffice.pages import (
    ADD,
    LIST,
    PASSWORD,
    act,
    add,
    change,
    change_page,
    hidden,
    submit,
)
from users.feed import apply_user_changes
from users.models import FeedPosition, User

pytestmark = pytest.mark.django_db
SignIn = Callable[..., tuple[Client, uuid.UUID]]


@pytest.fixture
def alice(auth_service: AuthStandIn, staff_client: Client) -> uuid.UUID:
    """A customer, mirrored."""
    user_id = auth_service.add_user("alice", password=PASSWORD)
    apply_user_changes()
    return user_id


def test_a_user_added_in_the_admin_exists_at_auth_service(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """The new user has the same id in both services, and a password only auth-service knows."""
    page = add(staff_client, "alice", email="alice@example.com")

    mirrored = User.objects.get(username="alice")
    created = auth_service.users[str(mirrored.id)]
    assert "was added successfully" in page
    assert (created["username"], created["email"]) == ("alice", "alice@example.com")
    assert auth_service.passwords[str(mirrored.id)] == PASSWORD
    assert mirrored.email == "alice@example.com"


def test_the_actor_and_address_are_sent(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """auth-service's audit log names the member of staff and the browser's address."""
    client, boss_id = sign_in()
    add(client, "alice")

    sent = next(seen[2] for seen in auth_service.requests if seen[1] == "/internal/users")
    assert sent["X-Actor-Id"] == str(boss_id)
    assert sent["X-Actor-Source"] == "127.0.0.1"


def test_a_taken_name_is_an_error_beside_the_field(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """auth-service's 409 reads like any form error, and leaves no row behind."""
    auth_service.add_user("alice")

    page = add(staff_client, "alice")

    assert "A user with that username already exists." in page
    assert not User.objects.filter(username="alice").exists()


def test_a_weak_password_is_an_error_beside_the_field(staff_client: Client) -> None:
    """auth-service's rules are shown in its words."""
    page = add(staff_client, "alice", password1="short", password2="short")

    assert "This password is too short." in page
    assert not User.objects.filter(username="alice").exists()


def test_two_different_passwords_are_not_sent(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """What local validation refuses is not sent."""
    page = add(staff_client, "alice", password2="something else")

    assert "The two passwords are not the same." in page
    assert auth_service.count("POST", "/internal/users") == 0


def test_nothing_is_saved_while_auth_service_is_unavailable(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """The form says so and no mirror row is left behind."""
    submission = hidden(staff_client, ADD, "submission")
    auth_service.away = True

    page = submit(
        staff_client,
        ADD,
        {
            "username": "alice",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "submission": submission,
        },
    )

    assert "nothing was saved" in page
    assert not User.objects.filter(username="alice").exists()


def test_a_form_sent_twice_creates_one_user(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """A double click or a reload after a lost answer carries the same idempotency key."""
    submission = hidden(staff_client, ADD, "submission")

    add(staff_client, "alice", submission=submission)
    again = add(staff_client, "alice", submission=submission)

    assert "was added successfully" in again
    assert [user["username"] for user in auth_service.users.values()] == ["boss", "alice"]
    assert User.objects.filter(username="alice").count() == 1


def test_a_name_our_mirror_still_holds_may_be_given_again(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """Whether a name is free is auth-service's to say, not our late copy's."""
    auth_service.users[str(alice)]["username"] = "renamed"

    page = add(staff_client, "alice")

    assert "was added successfully" in page
    assert User.objects.get(username="alice").id != alice


def test_changes_go_to_auth_service_first(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """Only what was changed is sent, under the version the form was filled from."""
    page = change(staff_client, alice, username="alice", email="new@example.com")

    assert "was changed successfully" in page
    assert auth_service.users[str(alice)]["email"] == "new@example.com"
    assert User.objects.get(id=alice).email == "new@example.com"


def test_a_form_overtaken_by_someone_elses_change_is_refused(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """Two members of staff do not overwrite each other unseen."""
    known = hidden(staff_client, change_page(alice), "known_version")
    change(staff_client, alice, username="alice", email="first@example.com")

    page = change(
        staff_client, alice, username="alice", email="second@example.com", known_version=known
    )

    assert "This user was changed by someone else" in page
    assert auth_service.users[str(alice)]["email"] == "first@example.com"


def test_a_change_while_auth_service_is_unavailable_changes_nothing_here(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """Our copy never has a value that auth-service does not have."""
    known = hidden(staff_client, change_page(alice), "known_version")
    auth_service.away = True
    form = {"username": "alice", "email": "new@example.com", "known_version": known}

    page = submit(staff_client, change_page(alice), form)

    assert "nothing was saved" in page
    assert User.objects.get(id=alice).email == ""


@pytest.mark.parametrize("lost", ["add", "change", "password"])
def test_a_lost_answer_saves_nothing_here_and_the_feed_brings_what_was_done(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID, lost: str
) -> None:
    """auth-service may have done it before it failed; the page does not say either."""
    twice = {"password1": PASSWORD + "2", "password2": PASSWORD + "2"}
    submission = hidden(staff_client, ADD, "submission")
    known = hidden(staff_client, change_page(alice), "known_version")
    page, form = {
        "add": (ADD, {"username": "bob", "is_active": "on", "submission": submission, **twice}),
        "change": (
            change_page(alice),
            {"username": "alicia", "is_active": "on", "known_version": known},
        ),
        "password": (f"/admin/users/user/{alice}/password/", twice),
    }[lost]
    before = list(User.objects.values())
    auth_service.loses_answers = True
    shown = submit(staff_client, page, form)
    after = list(User.objects.values())
    auth_service.loses_answers = False
    apply_user_changes()

    assert "nothing was saved" in shown
    assert after == before
    assert not LogEntry.objects.exists()
    assert {(user.username, user.version) for user in User.objects.all()} == {
        (user["username"], user["version"]) for user in auth_service.users.values()
    }
    assert list(User.objects.values()) != before


def test_groups_are_ours_and_need_no_auth_service(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """Permissions live here alone: nothing is sent for them."""
    group = Group.objects.create(name="support")

    change(staff_client, alice, username="alice", groups=[group.pk])

    assert list(User.objects.get(id=alice).groups.all()) == [group]
    assert auth_service.count("PATCH", f"/internal/users/{alice}") == 0


def test_the_last_superuser_stays_one(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """auth-service's refusal is shown: a superuser always remains."""
    client, boss_id = sign_in()

    page = change(client, boss_id, username="boss", is_staff="on")

    assert "Refused: last_superuser." in page
    assert User.objects.get(id=boss_id).is_superuser


def test_staff_cannot_demote_themselves(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """auth-service knows who acts, and refuses."""
    client, boss_id = sign_in()

    page = change(client, boss_id, username="boss", is_superuser="on")

    assert "Refused: self_demotion." in page
    assert User.objects.get(id=boss_id).is_staff


def test_a_password_is_set_at_auth_service_alone(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """Its rules apply, its answer is mirrored, and the log holds no password."""
    page = f"/admin/users/user/{alice}/password/"

    refused = submit(staff_client, page, {"password1": "short", "password2": "short"})
    submit(staff_client, page, {"password1": PASSWORD + "2", "password2": PASSWORD + "2"})

    assert "This password is too short." in refused
    assert auth_service.passwords[str(alice)] == PASSWORD + "2"
    assert User.objects.get(id=alice).auth_epoch == 2
    assert PASSWORD not in json.dumps(list(LogEntry.objects.values()), default=str)


def test_selected_users_are_deactivated_at_auth_service(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """The bulk action goes the same way as the form."""
    page = act(staff_client, LIST, "deactivate_selected", [alice])

    assert "Deactivated." in page
    assert auth_service.users[str(alice)]["is_active"] is False
    assert User.objects.get(id=alice).is_active is False


def test_a_stale_mirror_can_be_read_only(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """After ten minutes without the feed, users that may have changed cannot be edited."""
    FeedPosition.objects.update(read_at=timezone.now() - timedelta(minutes=11))

    listing = staff_client.get(LIST).content.decode()
    sent = staff_client.post(change_page(alice), {"username": "mallory", "is_active": "on"})
    added = staff_client.get(ADD)

    assert "Users can be viewed, but not changed" in listing
    assert "alice" in listing
    assert (sent.status_code, added.status_code) == (403, 403)
    assert auth_service.users[str(alice)]["username"] == "alice"


def _limited(sign_in: SignIn, *codenames: str) -> Client:
    client, user_id = sign_in("clerk", is_superuser=False)
    permissions = Permission.objects.filter(codename__in=codenames)
    User.objects.get(id=user_id).user_permissions.set(permissions)
    return client


def test_staff_without_permission_see_no_users(sign_in: SignIn) -> None:
    """Being staff alone opens the admin, not its pages."""
    client = _limited(sign_in)

    assert client.get(LIST).status_code == 403
    assert client.get("/admin/users/user/audit/").status_code == 403


def test_only_superusers_grant_anything(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """A clerk may rename customers; flags he sends along are ignored."""
    client = _limited(sign_in, "change_user", "add_user", "view_user")
    user_id = auth_service.add_user("alice")
    apply_user_changes()

    change(client, user_id, username="alice2", is_superuser="on", is_staff="on")
    add(client, "bob", is_superuser="on", is_staff="on")

    assert not any(user["is_superuser"] for user in auth_service.users.values())
    assert auth_service.users[str(user_id)]["username"] == "alice2"


def test_a_clerk_cannot_set_a_superusers_password(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """Else permission to change users would be permission to become a superuser."""
    _, boss_id = sign_in("boss")
    client = _limited(sign_in, "change_user", "delete_user", "view_user")

    answer = client.post(
        f"/admin/users/user/{boss_id}/password/", {"password1": PASSWORD, "password2": PASSWORD}
    )
    page = act(client, LIST, "deactivate_selected", [boss_id])

    assert answer.status_code == 403
    assert "may not do it" in page
    assert auth_service.users[str(boss_id)]["is_active"] is True
    assert auth_service.passwords[str(boss_id)] != PASSWORD


def test_users_are_found_and_filtered(
    staff_client: Client, auth_service: AuthStandIn, alice: uuid.UUID
) -> None:
    """The list searches names, addresses and ids, and filters by state."""
    assert b"alice" in staff_client.get(LIST, {"q": str(alice)}).content
    assert b">alice<" not in staff_client.get(LIST, {"state": "inactive"}).content
    assert b"alice" in staff_client.get(LIST, {"state": "active"}).content


def test_forms_need_their_csrf_token(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """Another site cannot add users through a logged-in browser."""
    client, _ = sign_in()
    client.handler.enforce_csrf_checks = True

    answer = client.post(ADD, {"username": "mallory"})

    assert answer.status_code == 403
    assert auth_service.count("POST", "/internal/users") == 0

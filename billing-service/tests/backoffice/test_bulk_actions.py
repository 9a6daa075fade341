"""Staff act on many rows at once: the worker does it, and a page shows how far it is."""

import uuid
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from backoffice import bulk_actions
from backoffice.bulk_actions import advance
from backoffice.models import BulkAction
from subscriptions.models import Customer, SubscribeAttempt
from tests.auth_stand_in import AuthStandIn, Refusal
from tests.backoffice.pages import LIST, act, start, submit
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.feed import apply_user_changes
from users.mirror import mirror_user
from users.models import User
from worker.tasks import sweep_bulk_actions

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[..., tuple[Client, uuid.UUID]]


def _add(auth_service: AuthStandIn, number: int) -> list[uuid.UUID]:
    ids = [auth_service.add_user(f"user{n:03}") for n in range(number)]
    apply_user_changes()
    return ids


def _run(rows: int | None = None) -> None:
    """Do what the worker does, for some rows or to the end."""
    for _ in islice(advance(seconds=120), rows):
        pass


def _calls(auth_service: AuthStandIn, word: str) -> list[str]:
    return [path for _, path, _ in auth_service.requests if path.endswith(word)]


def test_four_hundred_users_are_deleted_without_a_page_that_waits(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """All pages of the list at once: the click returns before anything was done."""
    _add(auth_service, 400)
    everyone = User.objects.exclude(username="boss")
    selection = {
        "action": "delete_selected",
        "_selected_action": [str(everyone.first().pk)],  # type: ignore[union-attr]  # 400 of them
        "select_across": "1",
    }
    auth_service.requests.clear()

    asked = staff_client.post(f"{LIST}?q=user", selection).content.decode()
    answer = staff_client.post(f"{LIST}?q=user", selection | {"post": "400"})
    before = staff_client.get(answer["Location"]).content.decode()
    nothing_yet = _calls(auth_service, "/deactivate")
    _run(3)
    meanwhile = staff_client.get(answer["Location"]).content.decode()

    assert "400 selected" in asked
    assert "and 300 more" in asked
    assert nothing_yet == []
    assert "400 waiting · 0 done" in before
    assert "397 waiting · 3 done" in meanwhile
    assert 'http-equiv="refresh"' in meanwhile
    assert everyone.filter(anonymised_at=None).count() == 397


def test_rows_that_came_after_the_question_are_not_deleted_unasked(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """Who confirms three of them does not delete a fourth."""
    first, *_ = _add(auth_service, 4)
    form = {"action": "delete_selected", "_selected_action": [str(first)], "select_across": "1"}

    page = submit(staff_client, f"{LIST}?q=user", form | {"post": "3"})

    assert "4 selected" in page
    assert not BulkAction.objects.exists()


def test_a_worker_that_is_killed_leaves_the_rest_to_the_next(
    staff_client: Client, auth_service: AuthStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after a deletion and before it could write that down; all are deleted, once."""
    ids = _add(auth_service, 5)
    page = start(staff_client, LIST, "delete_selected", ids)

    class Killed(BaseException):
        """As abrupt as SIGKILL: nothing of ours catches it."""

    finish = bulk_actions._act

    def act_and_die(*given: Any) -> str:
        finish(*given)
        raise Killed

    _run(2)
    monkeypatch.setattr(bulk_actions, "_act", act_and_die)
    with pytest.raises(Killed):
        _run()
    monkeypatch.undo()
    half = staff_client.get(page).content.decode()
    _run()
    after = staff_client.get(page).content.decode()

    assert "3 waiting · 2 done" in half
    assert "0 waiting · 5 done · 0 failed" in after
    assert 'http-equiv="refresh"' not in after
    assert User.objects.filter(anonymised_at=None).count() == 1
    assert LogEntry.objects.filter(action_flag=DELETION).count() == 5


def test_a_second_click_does_not_start_it_twice(
    staff_client: Client, sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """Neither the same member of staff nor a colleague, whatever the order of the rows."""
    ids = _add(auth_service, 3)
    colleague, _ = sign_in("colleague")

    first = start(staff_client, LIST, "deactivate_selected", ids)
    second = start(staff_client, LIST, "deactivate_selected", reversed(ids))
    third = start(colleague, LIST, "deactivate_selected", ids)
    _run()

    assert first == second == third
    assert len(_calls(auth_service, "/deactivate")) == 3
    assert "3 done" in act(staff_client, LIST, "deactivate_selected", ids)
    assert BulkAction.objects.count() == 2


def test_what_is_refused_is_shown_with_its_reason_and_the_others_go_on(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """The last superuser and the member of staff who clicked stay."""
    client, boss_id = sign_in("boss")
    ids = _add(auth_service, 3)
    page = start(client, LIST, "delete_selected", [*ids, boss_id])
    auth_service.refuse_next = Refusal(409, "last_superuser")

    _run()
    shown = client.get(page).content.decode()

    assert "0 waiting · 2 done · 2 failed" in shown
    assert "Refused: last_superuser." in shown
    assert "may not do it" in shown
    assert User.objects.get(id=boss_id).is_active
    assert User.objects.filter(anonymised_at=None, username__startswith="user").count() == 1


def test_an_action_waits_while_auth_service_is_unavailable(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """One user is waited for, not each of fifty, and the page says why it does not move."""
    ids = _add(auth_service, 3)
    page = start(staff_client, LIST, "deactivate_selected", ids)
    auth_service.away = True
    auth_service.requests.clear()
    _run()
    waiting = staff_client.get(page).content.decode()
    tried = len(_calls(auth_service, "/deactivate"))
    auth_service.away = False
    _run()

    assert tried == 1
    assert "3 waiting" in waiting
    assert "Waiting: auth-service cannot be reached right now. It goes on by itself." in waiting
    assert "3 done" in staff_client.get(page).content.decode()


def test_two_actions_go_on_in_turn(
    staff_client: Client, auth_service: AuthStandIn, stripe: Sandbox
) -> None:
    """A long one does not hold up a short one."""
    ids = _add(auth_service, 20)
    long = start(staff_client, LIST, "deactivate_selected", ids[:18])
    short = start(staff_client, LIST, "deactivate_selected", ids[18:])
    _run(4)

    assert "2 done" in staff_client.get(short).content.decode()
    assert "16 waiting" in staff_client.get(long).content.decode()


def test_an_action_that_was_stopped_leaves_the_rest_as_it_is(
    staff_client: Client, auth_service: AuthStandIn
) -> None:
    """The wrong list was selected: there is a button."""
    ids = _add(auth_service, 4)
    page = start(staff_client, LIST, "deactivate_selected", ids)
    _run(1)

    shown = submit(staff_client, page, {})
    _run()

    assert "The rows that waited stay as they are." in shown
    assert "0 waiting · 1 done · 0 failed · 3 stopped" in staff_client.get(page).content.decode()
    assert User.objects.filter(is_active=False).count() == 1


def test_rights_that_were_lost_meanwhile_count(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """A clerk who is demoted does not go on deleting by what was started before."""
    boss, _ = sign_in("boss")
    clerk, clerk_id = sign_in("clerk", is_superuser=False)
    permissions = Permission.objects.filter(codename__in=["view_user", "change_user"])
    User.objects.get(id=clerk_id).user_permissions.set(permissions)
    page = start(clerk, LIST, "deactivate_selected", _add(auth_service, 3))
    _run(1)
    auth_service.change_user(clerk_id, is_staff=False)
    apply_user_changes()
    _run()

    assert "1 done · 2 failed" in boss.get(page).content.decode()


def test_staff_see_what_they_started_and_not_what_others_did(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """Superusers see everything, with who started it and from where it can be stopped."""
    boss, _ = sign_in("boss")
    clerk, clerk_id = sign_in("clerk", is_superuser=False)
    User.objects.get(id=clerk_id).user_permissions.set(
        Permission.objects.filter(codename__in=["view_user", "change_user"])
    )
    ids = _add(auth_service, 2)
    of_boss = start(boss, LIST, "deactivate_selected", ids[:1])
    of_clerk = start(clerk, LIST, "deactivate_selected", ids[1:])
    actions = "/admin/backoffice/bulkaction/"

    assert "Started by clerk" in clerk.get(of_clerk).content.decode()
    assert clerk.get(of_boss).status_code == 302
    assert clerk.get(actions).content.decode().count("/change/") == 1
    assert boss.get(actions).content.decode().count("/change/") >= 2
    logged = LogEntry.objects.filter(content_type__model="bulkaction", user_id=clerk_id).get()
    assert "Started for 1 rows." in logged.change_message


def test_every_list_deletes_by_the_worker(staff_client: Client, person: Person) -> None:
    """Django's own action too: groups, and rows that are kept while they are needed."""
    group = Group.objects.create(name="old")
    mirror_user(person.id)
    attempt = SubscribeAttempt.objects.create(
        user_id=person.id,
        customer=Customer.objects.create(user_id=person.id),
        product_name="basic_subscription",
        leased_until=timezone.now(),
    )

    gone = act(staff_client, "/admin/auth/group/", "delete_selected", [group.pk])
    kept = act(
        staff_client, "/admin/subscriptions/subscribeattempt/", "delete_selected", [attempt.pk]
    )

    assert "old was deleted." in gone
    assert not Group.objects.exists()
    assert "1 failed" in kept
    assert SubscribeAttempt.objects.count() == 1


def test_a_bug_with_one_row_does_not_hold_up_the_others(
    staff_client: Client, auth_service: AuthStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the log, and the page says that it was our mistake."""
    ids = _add(auth_service, 3)
    broken = str(ids[1])
    act_on = bulk_actions._act

    def buggy(item: Any, action: Any) -> str:
        if item.object_id == broken:
            raise LookupError(broken)
        return act_on(item, action)

    monkeypatch.setattr(bulk_actions, "_act", buggy)

    page = act(staff_client, LIST, "deactivate_selected", ids)

    assert "2 done · 1 failed" in page
    assert "Something went wrong on our side." in page


def test_a_click_wakes_the_worker(staff_client: Client, auth_service: AuthStandIn) -> None:
    """Staff do not wait for the sweep of the next minute."""
    ids = _add(auth_service, 1)

    start(staff_client, LIST, "deactivate_selected", ids)

    assert ProcrastinateJob.objects.filter(task_name=sweep_bulk_actions.name).exists()


@pytest.mark.parametrize("index", ["x", "9", "-1", "²"])
def test_a_menu_that_is_not_there_is_no_server_error(
    staff_client: Client, auth_service: AuthStandIn, index: str
) -> None:
    """A form that was changed by hand starts what its first menu says, after the question."""
    [user_id] = _add(auth_service, 1)
    form = {"action": "delete_selected", "_selected_action": [str(user_id)], "index": index}

    assert "1 selected" in submit(staff_client, f"{LIST}?q=user", form)
    assert not BulkAction.objects.exists()

"""Staff cannot give permissions, to themselves or to anyone else, by any page of the admin."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.forms import model_to_dict
from django.test import Client

from backoffice.bulk_actions import advance
from tests.auth_stand_in import AuthStandIn
from tests.backoffice.pages import PASSWORD
from users.feed import apply_user_changes
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[..., tuple[Client, uuid.UUID]]
GROUPS = "/admin/auth/group/"


@pytest.fixture
def clerk(sign_in: SignIn, auth_service: AuthStandIn) -> Client:
    """Staff with every permission there is, about groups and permissions too; no superuser.

    The clerk is in a group. Beside the clerk there are a superuser, a colleague and a customer.
    """
    sign_in("boss")
    client, user_id = sign_in("clerk", is_superuser=False)
    auth_service.add_user("colleague", password=PASSWORD, is_staff=True)
    auth_service.add_user("customer", password=PASSWORD)
    apply_user_changes()
    user = User.objects.get(id=user_id)
    # Two kinds: a group that lacks a permission, and permissions of the clerk's own.
    group = Group.objects.create(name="support")
    user.groups.set([group])
    user.user_permissions.set(Permission.objects.all())
    return client


def test_no_page_of_the_admin_gives_a_permission(clerk: Client, auth_service: AuthStandIn) -> None:
    """Every add, change and delete page and every bulk action, with everything filled in."""
    before = _granted(auth_service)

    sent = sum(_submit_everything(clerk, model) for model in admin.site._registry)
    for _ in advance(seconds=60):
        pass

    assert sent > 40
    for who, granted in _granted(auth_service).items():
        assert granted <= before.get(who, set()), who


@pytest.mark.parametrize("address", ["add/", "{}/change/", "{}/delete/"])
def test_groups_are_for_superusers(clerk: Client, sign_in: SignIn, address: str) -> None:
    """Else `change_group` would be every permission: by the clerk's own group."""
    page = GROUPS + address.format(Group.objects.get().pk)
    form = {"name": "sales", "permissions": [Permission.objects.first().pk], "post": "yes"}  # type: ignore[union-attr]  # there are permissions
    boss, _ = sign_in("second")

    assert clerk.post(page, form).status_code == 403
    assert Group.objects.get().permissions.count() == 0
    assert boss.post(page, form).status_code == 302


def test_staff_who_may_view_groups_read_them(clerk: Client) -> None:
    """Without a button to save, and without a link that adds one to a user."""
    page = clerk.get(f"{GROUPS}{Group.objects.get().pk}/change/").content.decode()
    user = clerk.get(f"/admin/users/user/{User.objects.get(username='customer').pk}/change/")

    assert "support" in page
    assert 'name="_save"' not in page
    assert f"{GROUPS}add/" not in user.content.decode()


def _submit_everything(client: Client, model: type[Model]) -> int:
    """Send all forms of a model's pages; return how many."""
    meta = model._meta
    listing = f"/admin/{meta.app_label}/{meta.model_name}/"
    sent = 0
    for page, form in _forms(model, listing):
        for popup in ({}, {"_popup": "1"}):
            # A refusal is fine, and so is a page with errors; what was granted is compared.
            assert client.post(page, form | popup).status_code in (200, 302, 403, 404), page
            sent += 1
    return sent


def _forms(model: type[Model], listing: str) -> Iterator[tuple[str, dict[str, Any]]]:
    everything = _everything(model)
    yield f"{listing}add/", everything
    for row in model._default_manager.all()[:5]:
        yield f"{listing}{quote(row.pk)}/change/", _everything(model, row)
        yield f"{listing}{quote(row.pk)}/password/", everything
    chosen = [row.pk for row in model._default_manager.all()]
    for name in admin.site._registry[model].actions or ():
        # Deletion is the one that ends the others: it is not sent for all rows.
        if name != "delete_selected":
            yield listing, {"action": name, "_selected_action": chosen, "post": str(len(chosen))}


def _everything(model: type[Model], row: Model | None = None) -> dict[str, Any]:
    """Fill in a form with what a field has now, and grant all that can be granted."""
    form: dict[str, Any] = {
        "password1": PASSWORD,
        "password2": PASSWORD,
        "submission": str(uuid.uuid4()),
        "username": f"new-{uuid.uuid4()}",
        "name": "new",
    }
    if row is not None:
        now = model_to_dict(row)
        form |= {
            name: value for name, value in now.items() if value and not isinstance(value, list)
        }
        form["known_version"] = getattr(row, "version", "")
    form |= dict.fromkeys(("is_active", "is_staff", "is_superuser"), "on")
    for field in model._meta.many_to_many:
        form[field.name] = [each.pk for each in field.related_model._default_manager.all()]
    return form


def _granted(auth_service: AuthStandIn) -> dict[str, set[str]]:
    """Return what each user may do, here and at auth-service, and what is given by each group."""
    granted = {}
    for user in User.objects.all():
        is_superuser = {"superuser"} if user.is_superuser else set()
        granted[str(user.pk)] = is_superuser or (
            user.get_all_permissions() if user.is_staff else set()
        )
        granted[f"{user.pk} given"] = {str(each.pk) for each in user.user_permissions.all()} | {
            f"group {each.pk}" for each in user.groups.all()
        }
    for group in Group.objects.all():
        granted[f"group {group.pk}"] = {str(each.pk) for each in group.permissions.all()}
    for user_id, document in auth_service.users.items():
        granted[f"{user_id} at auth-service"] = {
            name for name in ("is_staff", "is_superuser") if document[name]
        }
    return granted

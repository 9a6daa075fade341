"""Fills the admin's forms in as a browser would."""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.test import Client

from backoffice.bulk_actions import advance

LIST = "/admin/users/user/"
ADD = "/admin/users/user/add/"
PASSWORD = "a long enough password"


def change_page(user_id: UUID) -> str:
    """Return the address of a user's page."""
    return f"/admin/users/user/{user_id}/change/"


def hidden(client: Client, page: str, name: str) -> str:
    """Return a hidden field's value as the page shows it."""
    content = client.get(page).content.decode()
    found = re.search(rf'name="{name}" value="([^"]*)"', content)
    assert found, content
    return found[1]


def add(client: Client, username: str, **fields: Any) -> str:
    """Submit the add form; return the page that follows."""
    form = {
        "username": username,
        "password1": PASSWORD,
        "password2": PASSWORD,
        "is_active": "on",
        "submission": hidden(client, ADD, "submission"),
        **fields,
    }
    return submit(client, ADD, form)


def change(client: Client, user_id: UUID, **fields: Any) -> str:
    """Submit the change form; return the page that follows."""
    page = change_page(user_id)
    form = {"is_active": "on", "known_version": hidden(client, page, "known_version"), **fields}
    return submit(client, page, {name: value for name, value in form.items() if value is not None})


def submit(client: Client, page: str, form: dict[str, Any]) -> str:
    """Submit any form; return the page that follows."""
    return client.post(page, form, follow=True).content.decode()


def act(client: Client, listing: str, action: str, ids: Iterable[object], **more: Any) -> str:
    """Start an action on rows, confirmed if it asks; return its page after the worker."""
    started = start(client, listing, action, ids, **more)
    for _ in advance(seconds=60):
        pass
    return client.get(started).content.decode()


def start(client: Client, listing: str, action: str, ids: Iterable[object], **more: Any) -> str:
    """Start an action on rows, confirmed if it asks; return the address of its page."""
    chosen = [str(each) for each in ids]
    form = {"action": action, "_selected_action": chosen, "post": str(len(chosen)), **more}
    answer = client.post(listing, form)
    assert answer.status_code == 302, answer.content.decode()
    return answer["Location"]

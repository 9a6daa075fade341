"""Fills the admin's forms in as a browser would."""

import re
from typing import Any
from uuid import UUID

from django.test import Client

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

"""New usernames that people would take for another user's."""

from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from auth_service.tables import users
from auth_service.usernames import mixes_scripts, skeleton
from auth_service.users.accounts import User
from auth_service.users.confusable_names import fill_skeletons
from tests.conftest import PASSWORD, Service

AddUser = Callable[..., User]
CYRILLIC_COCO = "\u0441\u043e\u0441\u043e"
CYRILLIC_A = "\u0430"


def create(as_billing: httpx.Client, username: str) -> httpx.Response:
    """Create an account as staff do in the admin."""
    return as_billing.post("/internal/users", json={"username": username, "password": PASSWORD})


@pytest.mark.parametrize(
    ("existing", "new"),
    [
        ("coco", CYRILLIC_COCO),
        (CYRILLIC_COCO, "coco"),
        ("paypal", "paypaI"),
        ("paypal", "PayPa1"),
        ("modern", "rnodem"),
        ("zoe", "z0e"),
        ("admin", "adm\u0131n"),
    ],
)
def test_a_name_that_looks_like_another_is_refused(
    as_billing: httpx.Client, add_user: AddUser, existing: str, new: str
) -> None:
    """With a code, and a sentence beside the field."""
    add_user(existing)

    refused = create(as_billing, new)

    assert (refused.status_code, refused.json()["code"]) == (400, "username_confusable")
    assert list(refused.json()["errors"]) == ["username"]


@pytest.mark.parametrize("name", [f"{CYRILLIC_A}dmin", "ad\u03bcin-\u03b1", "\u0420ay-\u0440al"])
def test_a_name_of_two_alphabets_is_refused(as_billing: httpx.Client, name: str) -> None:
    """Though no other name looks like it yet."""
    assert create(as_billing, name).json()["code"] == "username_confusable"


@pytest.mark.parametrize(
    "name",
    [
        "ada.lovelace",
        "andr\u00e9-95",
        "\u0410\u043d\u043d\u0430_2",
        "\u03a3\u03bf\u03c6\u03af\u03b1",
        "\u7530\u4e2d\u3055\u304f\u3089abc",
        "\uae40\u6d77a",
    ],
)
def test_names_in_any_one_alphabet_are_accepted(as_billing: httpx.Client, name: str) -> None:
    """Letters with accents, and Japanese and Korean, which mix scripts, among them."""
    assert create(as_billing, name).status_code == 201


@pytest.mark.parametrize(
    "name",
    ["ada\u200b", "a\u202eda", "ada\u2066", "\ufeffada", "ada\u3164", "ada\u00ad", "a\u0000"],
)
def test_hidden_characters_are_refused(as_billing: httpx.Client, name: str) -> None:
    """Zero-width, of another direction, or a letter without a picture."""
    refused = create(as_billing, name)
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["username"])


def test_a_taken_name_is_still_taken(as_billing: httpx.Client, add_user: AddUser) -> None:
    """In upper or lower case; the code of before stays."""
    add_user("Ada")
    answer = create(as_billing, "aDA")
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")


def test_users_of_before_keep_their_names(
    service: Service,
    as_billing: httpx.Client,
    add_user: AddUser,
    obtain: Callable[..., httpx.Response],
) -> None:
    """Two that look alike log in, and change all but their name; no one takes a third."""
    add_user("coco")
    other = add_user("cyrillic")
    with service.engine.begin() as connection:
        rename = {"username": CYRILLIC_COCO, "username_key": CYRILLIC_COCO}
        connection.execute(update(users).where(users.c.id == other.id).values(**rename))
        connection.execute(update(users).values(username_skeleton=None))

    assert fill_skeletons(service.engine) == 2
    assert fill_skeletons(service.engine) == 0

    assert [obtain(name).status_code for name in ("coco", CYRILLIC_COCO)] == [200, 200]
    changed = as_billing.patch(
        f"/internal/users/{other.id}",
        json={"username": CYRILLIC_COCO, "email": "c@example.org"},
        headers={"If-Match": f'"{other.version}"'},
    )
    assert changed.status_code == 200
    assert create(as_billing, "c0c0").json()["code"] == "username_confusable"


def test_renaming_is_checked_and_frees_the_old_name(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """A user can write the own name otherwise, but not take what looks like another's."""
    add_user("coco")
    user = add_user("ian")

    def rename(name: str, version: int) -> httpx.Response:
        return as_billing.patch(
            f"/internal/users/{user.id}",
            json={"username": name},
            headers={"If-Match": f'"{version}"'},
        )

    assert rename("Ian", user.version).status_code == 200
    assert rename("c0co", user.version + 1).json()["code"] == "username_confusable"
    assert rename("grace", user.version + 1).status_code == 200
    assert create(as_billing, "1an").status_code == 201


def test_a_deleted_user_leaves_the_name(
    service: Service, as_billing: httpx.Client, add_user: AddUser
) -> None:
    """Nothing of a deleted account's name is kept."""
    user = add_user("coco")
    assert as_billing.delete(f"/internal/users/{user.id}").status_code == 204
    assert create(as_billing, "c0co").status_code == 201
    with service.engine.connect() as connection:
        kept = select(users.c.username_skeleton).where(users.c.id == user.id)
        assert connection.scalar(kept) is None


@given(st.text(max_size=20))
def test_a_skeleton_is_its_own_skeleton(name: str) -> None:
    """Two names that look alike have the same one, whichever was first."""
    once = skeleton(name)
    assert skeleton(once.casefold()) == skeleton(once)
    assert mixes_scripts(name) in {True, False}

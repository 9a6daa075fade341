"""The internal users API: what billing-service can do with accounts, and what is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from auth_service.tables import metadata
from auth_service.users.accounts import User
from tests.conftest import CLIENT_SECRET, PASSWORD, MovableClock, Service

AddUser = Callable[..., User]
Obtain = Callable[..., httpx.Response]


@pytest.fixture
def root(add_user: AddUser) -> User:
    """A superuser."""
    return add_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def clerk(add_user: AddUser) -> User:
    """A member of staff."""
    return add_user("clerk", is_staff=True)


def acting(user: User) -> dict[str, str]:
    """Return the headers of a request for a staff user."""
    return {"X-Actor-Id": str(user.id), "X-Actor-Source": "192.0.2.9"}


def change(
    client: httpx.Client, user: User, *, actor: User | None = None, **wanted: Any
) -> httpx.Response:
    """Change an account with the version that was read."""
    headers = {"If-Match": f'"{user.version}"'} | (acting(actor) if actor else {})
    return client.patch(f"/internal/users/{user.id}", json=wanted, headers=headers)


def test_a_service_token_is_required(http: httpx.Client, root: User, obtain: Obtain) -> None:
    """The internal API refuses even a superuser's access token."""
    access = obtain("root").json()["access"]

    bare = http.get("/internal/users")
    as_root = http.get("/internal/users", headers={"Authorization": f"Bearer {access}"})

    assert (bare.status_code, as_root.status_code) == (401, 401)
    assert "WWW-Authenticate" in bare.headers


def test_a_service_token_expires_after_a_minute(
    as_billing: httpx.Client, clock: MovableClock
) -> None:
    """A leaked one is soon useless, and the public API never accepts it."""
    assert as_billing.get("/internal/users").status_code == 200
    assert as_billing.get("/api/token/me").status_code == 401
    clock.advance(seconds=66)
    assert as_billing.get("/internal/users").status_code == 401


@pytest.mark.parametrize(
    ("auth", "form", "status"),
    [
        (("billing-service", "wrong"), {"grant_type": "client_credentials"}, 401),
        (("someone", CLIENT_SECRET), {"grant_type": "client_credentials"}, 401),
        (None, {"grant_type": "client_credentials"}, 401),
        (("billing-service", CLIENT_SECRET), {"grant_type": "password"}, 400),
        (("billing-service", CLIENT_SECRET), {}, 400),
    ],
)
def test_the_internal_token_endpoint_is_strict(
    http: httpx.Client, auth: tuple[str, str] | None, form: dict[str, str], status: int
) -> None:
    """One client, one secret, one grant."""
    answer = http.post("/internal/token", data=form, auth=auth or httpx.Auth())
    assert answer.status_code == status
    assert (status != 401) or answer.json()["code"] == "invalid_client"
    # RFC 6749 §5.2: in the scheme with which the client may try again.
    assert (status != 401) or answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_created_user_can_log_in(as_billing: httpx.Client, obtain: Obtain) -> None:
    """Staff add a user, who logs in a moment later."""
    body = {"username": "grace", "password": PASSWORD, "email": "grace@example.org"}

    created = as_billing.post("/internal/users", json=body)

    assert created.status_code == 201
    user = created.json()
    assert PASSWORD not in created.text
    assert user | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "username": "grace",
        "email": "grace@example.org",
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "auth_epoch": 1,
        "version": 1,
        "created_at": "",
        "updated_at": "",
        "last_login_at": None,
        "second_factor_at": None,
    }
    assert obtain("grace").status_code == 200
    assert as_billing.get(f"/internal/users/{user['id']}").json()["username"] == "grace"


def test_a_repeated_creation_returns_the_first_response(as_billing: httpx.Client) -> None:
    """If the response was lost, the retry returns the account instead of a conflict."""
    body, key = {"username": "grace", "password": PASSWORD}, {"Idempotency-Key": "form-1"}

    first = as_billing.post("/internal/users", json=body, headers=key)
    again = as_billing.post("/internal/users", json=body, headers=key)
    other = as_billing.post("/internal/users", json=body | {"email": "g@x.org"}, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_simultaneous_creations_create_one_account(as_billing: httpx.Client) -> None:
    """A double click creates one user, and both clicks succeed."""
    body, key = {"username": "grace", "password": PASSWORD}, {"Idempotency-Key": "click"}
    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(as_billing.post, "/internal/users", json=body, headers=key)
            for _ in range(6)
        ]
        answers = [job.result() for job in jobs]

    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1


@pytest.mark.parametrize("name", ["ada", "ADA", "\uff41da"])
def test_a_username_is_taken_in_every_spelling(
    as_billing: httpx.Client, add_user: AddUser, name: str
) -> None:
    """A user cannot pose as another one by capital letters."""
    add_user("ada")
    answer = as_billing.post("/internal/users", json={"username": name, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"username": "with space"}, "username"),
        ({"username": "nul\0"}, "username"),
        ({"username": ""}, "username"),
        # 60 ligatures, which NFKC spells out.
        ({"username": "\N{LATIN SMALL LIGATURE FFI}" * 60}, "username"),
        # Deleted users and unknown ones have colons in their names, here and in billing.
        ({"username": "deleted:1"}, "username"),
        ({"username": "user\uff1a1"}, "username"),
        ({"email": "nonsense"}, "email"),
        ({"password": "short"}, "password"),
        ({"is_staff": "yes"}, "is_staff"),
        ({"is_active": 0}, "is_active"),
        ({"is_admin": True}, "is_admin"),
    ],
)
def test_invalid_fields_of_an_account_are_named(
    as_billing: httpx.Client, wrong: dict[str, Any], field: str
) -> None:
    """The admin can show the sentence beside the field; no value is converted to another type."""
    body = {"username": "grace", "password": PASSWORD} | wrong
    answer = as_billing.post("/internal/users", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert list(answer.json()["errors"]) == [field]


def test_a_change_needs_the_version_it_is_based_on(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """Two members of staff who edit the same user do not overwrite each other's changes."""
    user = add_user()
    bare = as_billing.patch(f"/internal/users/{user.id}", json={"email": "a@x.org"})
    first = change(as_billing, user, email="b@x.org")
    second = change(as_billing, user, email="c@x.org")

    assert (bare.status_code, bare.json()["code"]) == (428, "precondition_required")
    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert (second.status_code, second.json()["code"]) == (412, "version_conflict")


def test_a_change_to_the_same_values_is_no_change(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """Saving an unchanged form revokes no session and writes no audit event."""
    user = add_user()
    answer = change(as_billing, user, username="ada", is_active=True)
    assert (answer.json()["version"], answer.json()["auth_epoch"]) == (1, 1)


def test_losing_a_right_revokes_the_sessions(as_billing: httpx.Client, add_user: AddUser) -> None:
    """Tokens with the right are revoked. Gaining a right revokes nothing."""
    add_user("other", is_staff=True, is_superuser=True)
    user = add_user(is_staff=True, is_superuser=True)

    demoted = change(as_billing, user, is_superuser=False)
    promoted = as_billing.patch(
        f"/internal/users/{user.id}", json={"is_superuser": True}, headers={"If-Match": '"2"'}
    )

    assert demoted.json()["auth_epoch"] == 2
    assert promoted.json()["auth_epoch"] == 2


def test_renaming_frees_the_old_name(
    as_billing: httpx.Client, add_user: AddUser, obtain: Obtain
) -> None:
    """The user logs in with the new username, and the old one is free."""
    user = add_user("ada")
    assert change(as_billing, user, username="countess").status_code == 200
    assert obtain("ada").status_code == 401
    assert obtain("countess").status_code == 200
    add_user("ada")


def test_renaming_to_a_taken_name_is_refused(as_billing: httpx.Client, add_user: AddUser) -> None:
    """The form can say so at the field."""
    add_user("grace")
    answer = change(as_billing, add_user("ada"), username="Grace")
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")


def test_a_deactivated_user_cannot_log_in(
    as_billing: httpx.Client, add_user: AddUser, obtain: Obtain
) -> None:
    """Repeating it changes nothing."""
    user = add_user()
    first = as_billing.post(f"/internal/users/{user.id}/deactivate")
    second = as_billing.post(f"/internal/users/{user.id}/deactivate")

    assert (first.json()["is_active"], first.json()["auth_epoch"]) == (False, 2)
    assert second.json() == first.json()
    assert obtain().status_code == 401


def test_ones_own_password_takes_the_current_one(
    as_billing: httpx.Client, clerk: User, obtain: Obtain
) -> None:
    """The admin's page for one's own password; guesses there count as log-ins that failed."""
    path, headers = f"/internal/users/{clerk.id}/password", acting(clerk)
    body = {"password": "a brand new passphrase"}

    wrong = as_billing.post(path, json=body | {"current_password": "guess"}, headers=headers)
    right = as_billing.post(path, json=body | {"current_password": PASSWORD}, headers=headers)
    guesses = [
        as_billing.post(path, json=body | {"current_password": f"guess {n}"}, headers=headers)
        for n in range(30)
    ]

    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert (right.status_code, right.json()["auth_epoch"]) == (200, clerk.auth_epoch + 1)
    assert guesses[-1].status_code == 429
    assert int(guesses[-1].headers["Retry-After"]) > 0
    assert obtain("clerk", "a brand new passphrase").status_code == 200


def test_staff_set_a_password(as_billing: httpx.Client, add_user: AddUser, obtain: Obtain) -> None:
    """The sessions are revoked, and only the new password is accepted."""
    user = add_user()
    path = f"/internal/users/{user.id}/password"

    poor = as_billing.post(path, json={"password": "12345678"})
    good = as_billing.post(path, json={"password": "a brand new passphrase"})

    assert poor.json()["error_codes"] == {"password": ["password_too_common"]}
    assert (good.status_code, good.json()["auth_epoch"]) == (200, 2)
    assert obtain().status_code == 401
    assert obtain(password="a brand new passphrase").status_code == 200


def test_no_personal_data_is_left_of_a_deleted_user(
    service: Service, as_billing: httpx.Client
) -> None:
    """No table has the username or email address, not even the audit log."""
    body = {"username": "archimedes", "password": PASSWORD, "email": "archimedes@example.org"}
    headers = {"Idempotency-Key": "form-1"}
    user = as_billing.post("/internal/users", json=body, headers=headers).json()
    path = f"/internal/users/{user['id']}"
    rename = {"username": "archimedes2"}
    assert as_billing.patch(path, json=rename, headers={"If-Match": '"1"'}).status_code == 200

    assert as_billing.delete(path).status_code == 204

    with service.engine.connect() as connection:
        stored = [
            str(row)
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    assert any(user["id"] in row for row in stored)
    assert [row for row in stored if "archimedes" in row] == []


def test_a_deleted_user_is_gone(
    as_billing: httpx.Client, add_user: AddUser, obtain: Obtain
) -> None:
    """The personal data is deleted, the username is free, and deleting again is no error."""
    user = add_user(email="ada@example.org")
    path = f"/internal/users/{user.id}"

    assert [as_billing.delete(path).status_code for _ in range(2)] == [204, 204]

    assert as_billing.get(path).status_code == 404
    assert obtain().status_code == 401
    entry = as_billing.get("/internal/users/changes").json()["changes"][-1]
    assert entry["deleted"] is True
    assert entry["user"] | {"username": "", "updated_at": "", "created_at": ""} == {
        "id": str(user.id),
        "username": "",
        "email": "",
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "auth_epoch": 2,
        "version": 2,
        "created_at": "",
        "updated_at": "",
        "last_login_at": None,
        "second_factor_at": None,
    }
    assert entry["user"]["username"] == f"deleted:{user.id}"
    add_user("ada")


@pytest.mark.parametrize(
    "act",
    [
        lambda c, u: change(c, u, is_superuser=False),
        lambda c, u: change(c, u, is_active=False),
        lambda c, u: c.post(f"/internal/users/{u.id}/deactivate"),
        lambda c, u: c.delete(f"/internal/users/{u.id}"),
    ],
    ids=["demote", "deactivate", "deactivate", "delete"],
)
def test_the_last_superuser_stays(
    as_billing: httpx.Client, root: User, act: Callable[[httpx.Client, User], httpx.Response]
) -> None:
    """Someone has to be able to grant rights."""
    answer = act(as_billing, root)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_superuser")


def test_superusers_cannot_all_be_demoted_at_once(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """Each demotion would be accepted, but together they would leave no superuser."""
    roots = [add_user(f"root{n}", is_staff=True, is_superuser=True) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(change, as_billing, root, is_superuser=False) for root in roots]
        statuses = sorted(job.result().status_code for job in jobs)

    assert statuses == [200] * 7 + [409]


@pytest.mark.parametrize("right", ["is_active", "is_staff", "is_superuser"])
def test_users_cannot_remove_their_own_rights(
    as_billing: httpx.Client, root: User, add_user: AddUser, right: str
) -> None:
    """A mistake in the admin must not lock a user out."""
    add_user("another", is_staff=True, is_superuser=True)
    answer = change(as_billing, root, actor=root, **{right: False})
    assert (answer.status_code, answer.json()["code"]) == (409, "self_demotion")


def test_staff_cannot_manage_superusers(
    as_billing: httpx.Client, root: User, clerk: User, add_user: AddUser
) -> None:
    """Staff with the right to edit users can neither create staff nor take over their accounts."""
    user, other, headers = add_user(), add_user("other", is_staff=True), acting(clerk)
    former = add_user("former", is_staff=True, is_active=False)
    body = {"username": "mallory", "password": PASSWORD}
    password = {"password": "a brand new passphrase"}

    refused = [
        change(as_billing, user, actor=clerk, is_superuser=True),
        change(as_billing, user, actor=clerk, is_staff=True),
        change(as_billing, clerk, actor=clerk, is_superuser=True),
        change(as_billing, root, actor=clerk, email="x@x.org"),
        as_billing.post("/internal/users", json=body | {"is_superuser": True}, headers=headers),
        as_billing.post("/internal/users", json=body | {"is_staff": True}, headers=headers),
        as_billing.post(f"/internal/users/{root.id}/password", json=password, headers=headers),
        as_billing.post(f"/internal/users/{other.id}/password", json=password, headers=headers),
        as_billing.post(f"/internal/users/{root.id}/deactivate", headers=headers),
        as_billing.post(f"/internal/users/{former.id}/deactivate", headers=headers),
        as_billing.delete(f"/internal/users/{root.id}", headers=headers),
        as_billing.get("/internal/audit", headers=headers),
    ]
    allowed = [
        change(as_billing, user, actor=clerk, email="x@x.org"),
        as_billing.post(f"/internal/users/{user.id}/password", json=password, headers=headers),
        as_billing.post(f"/internal/users/{clerk.id}/password", json=password, headers=headers),
        as_billing.get("/internal/audit", headers=acting(root)),
    ]

    assert [(a.status_code, a.json()["code"]) for a in refused] == [
        (403, "superuser_required")
    ] * len(refused)
    assert [a.status_code for a in allowed] == [200] * len(allowed)


def test_the_audit_log_has_who_what_and_from_where(
    as_billing: httpx.Client, root: User, add_user: AddUser
) -> None:
    """Newest first, in pages, without a password in it."""
    user = add_user(email="ada@example.org")
    change(as_billing, user, actor=root, email="new@example.org", is_staff=True)
    as_billing.post(
        f"/internal/users/{user.id}/password",
        json={"password": "a brand new passphrase"},
        headers=acting(root),
    )
    as_billing.delete(f"/internal/users/{user.id}", headers=acting(root))

    params = {"user_id": str(user.id), "limit": "3"}
    page = as_billing.get("/internal/audit", params=params).json()
    rest = as_billing.get(
        "/internal/audit", params=params | {"before": str(page["next_before"])}
    ).json()

    events = page["results"] + rest["results"]
    actions = ["user.deleted", "user.password_set", "user.changed", "user.created"]
    assert [e["action"] for e in events] == actions
    assert {(e["actor_id"], e["source"]) for e in events[:3]} == {(str(root.id), "192.0.2.9")}
    assert events[2]["detail"] == {"email": "changed", "is_staff": [False, True]}
    assert rest["next_before"] is None
    assert "passphrase" not in str(events)
    assert "example.org" not in str(events)


def test_the_list_comes_in_pages_and_can_be_searched(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """Every account once, in a stable order; a percent sign is no wildcard."""
    ids = {str(add_user(f"user{n}", email=f"u{n}@example.org").id) for n in range(7)}
    seen: list[str] = []
    after: str | None = None
    for _ in range(4):
        params = {"limit": "2"} | ({"after": after} if after else {})
        page = as_billing.get("/internal/users", params=params).json()
        seen += [user["id"] for user in page["results"]]
        after = page["next_after"]

    assert after is None
    assert len(seen) == 7
    assert set(seen) == ids
    for text, found in (("USER3", 1), ("u5@EXAMPLE", 1), ("%", 0), ("user", 7)):
        params = {"search": text}
        assert len(as_billing.get("/internal/users", params=params).json()["results"]) == found


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/internal/users/{uuid4()}", 404),
        ("/internal/users/no-uuid", 400),
        ("/internal/users?limit=0", 400),
        ("/internal/users?limit=x", 400),
        ("/internal/users?search=%00", 400),
        ("/internal/users/changes?after=-1", 400),
        ("/internal/users/changes?after=99999999999999999999", 400),
        ("/internal/audit?before=x", 400),
    ],
)
def test_invalid_ids_and_numbers_are_refused(
    as_billing: httpx.Client, path: str, status: int
) -> None:
    """They are a 400 or 404 in the usual shape."""
    answer = as_billing.get(path)
    assert answer.status_code == status
    assert answer.json()["code"] in {"user_not_found", "validation_error"}


@pytest.mark.parametrize("header", ["*", "1", 'W/"1"', '"x"', '"99999999999"'])
def test_other_entity_tags_do_not_match(
    as_billing: httpx.Client, add_user: AddUser, header: str
) -> None:
    """Only the version as it was read is accepted."""
    path = f"/internal/users/{add_user().id}"
    answer = as_billing.patch(path, json={"email": ""}, headers={"If-Match": header})
    assert answer.status_code == 412


def test_the_feed_shows_each_account_at_its_latest_change(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """A reader gets what changed since its last position, and nothing twice."""
    ada, grace = add_user("ada"), add_user("grace")
    first = as_billing.get("/internal/users/changes", params={"limit": "1"}).json()
    second = as_billing.get("/internal/users/changes", params={"after": first["next_after"]}).json()
    change(as_billing, ada, email="new@example.org")
    third = as_billing.get("/internal/users/changes", params={"after": second["next_after"]}).json()
    idle = as_billing.get("/internal/users/changes", params={"after": third["next_after"]}).json()

    assert [UUID(c["user"]["id"]) for c in first["changes"]] == [ada.id]
    assert [UUID(c["user"]["id"]) for c in second["changes"]] == [grace.id]
    assert [c["user"]["email"] for c in third["changes"]] == ["new@example.org"]
    assert idle == {"changes": [], "next_after": third["next_after"]}


def test_a_reader_ahead_of_a_restored_feed_starts_over(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """After an older backup was restored, numbers known from before it hide no change."""
    ada = add_user("ada")
    newest = as_billing.get("/internal/users/changes").json()["next_after"]

    page = as_billing.get("/internal/users/changes", params={"after": newest + 1}).json()

    assert [UUID(c["user"]["id"]) for c in page["changes"]] == [ada.id]
    assert page["next_after"] == newest


def test_a_reader_ahead_of_an_empty_feed_starts_over(as_billing: httpx.Client) -> None:
    """The same for a database without users."""
    page = as_billing.get("/internal/users/changes", params={"after": 7}).json()
    assert page == {"changes": [], "next_after": 0}


def test_a_log_in_is_no_change_for_others(
    as_billing: httpx.Client, add_user: AddUser, obtain: Obtain
) -> None:
    """Services that follow the feed are not flooded with log-ins."""
    add_user()
    before = as_billing.get("/internal/users/changes").json()["next_after"]
    obtain()
    assert as_billing.get("/internal/users/changes").json()["next_after"] == before


def test_the_feed_never_grows_behind_its_reader(
    as_billing: httpx.Client, add_user: AddUser
) -> None:
    """While eight writers change accounts, a reader that only moves forward misses none."""
    users = [add_user(f"user{n}") for n in range(8)]
    latest: dict[str, int] = {}

    def rename(user: User) -> None:
        for version in range(1, 11):
            headers = {"If-Match": f'"{version}"'}
            body = {"email": f"{version}@example.org"}
            path = f"/internal/users/{user.id}"
            assert as_billing.patch(path, json=body, headers=headers).status_code == 200

    position = 0
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(rename, user) for user in users]
        is_over = False
        while not is_over:
            is_over = all(job.done() for job in jobs)
            page = as_billing.get("/internal/users/changes", params={"after": position}).json()
            for entry in page["changes"]:
                assert entry["seq"] > position
                latest[entry["user"]["id"]] = entry["user"]["version"]
            position = page["next_after"]
        for job in jobs:
            job.result()

    assert latest == {str(user.id): 11 for user in users}

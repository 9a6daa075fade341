"""Staff change their own password in the admin, with any permissions or none."""

import json
import uuid
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from tests.auth_stand_in import AuthStandIn, Refusal
from tests.backoffice.pages import PASSWORD, submit
from tests.conftest import STAFF_PASSWORD

pytestmark = pytest.mark.django_db
SignIn = Callable[..., tuple[Client, uuid.UUID]]
PAGE = "/admin/password_change/"
FORM = {"current_password": STAFF_PASSWORD, "password1": PASSWORD, "password2": PASSWORD}


@pytest.mark.parametrize("rights", [{"is_superuser": True}, {"is_superuser": False}], ids=str)
def test_staff_change_their_own_password(
    sign_in: SignIn, auth_service: AuthStandIn, rights: dict[str, bool]
) -> None:
    """The page is linked in the header. Their other sessions end, this one goes on."""
    client, user_id = sign_in("clerk", **rights)
    elsewhere = Client()
    elsewhere.post("/admin/login/", {"username": "clerk", "password": STAFF_PASSWORD})
    assert PAGE in client.get("/admin/").content.decode()

    page = submit(client, PAGE, FORM)

    assert "Your password was changed. Your other sessions have ended." in page
    assert auth_service.passwords[str(user_id)] == PASSWORD
    assert client.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302
    assert PASSWORD not in json.dumps(list(LogEntry.objects.values()), default=str)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"current_password": "a guess"}, "Refused: wrong_password."),
        ({"password1": "short", "password2": "short"}, "This password is too short."),
        ({"password2": "something else"}, "The two passwords are not the same."),
    ],
    ids=str,
)
def test_what_is_refused_is_said_beside_the_field(
    sign_in: SignIn, auth_service: AuthStandIn, wrong: dict[str, str], sentence: str
) -> None:
    """The password stays, and so does every session."""
    client, user_id = sign_in()

    page = submit(client, PAGE, FORM | wrong)

    assert sentence in page.split("<fieldset")[1]
    assert auth_service.passwords[str(user_id)] == STAFF_PASSWORD
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("code", ["too_many_attempts", "unavailable"])
def test_the_page_says_why_it_cannot_be_changed_now(
    sign_in: SignIn, auth_service: AuthStandIn, code: str
) -> None:
    """Too many guesses, or auth-service is unavailable."""
    client, _ = sign_in()
    assert client.get(PAGE).status_code == 200
    auth_service.refuse_next = Refusal(429 if code == "too_many_attempts" else 503, code)

    page = submit(client, PAGE, FORM)

    expected = f"Refused: {code}." if code == "too_many_attempts" else "nothing was saved"
    assert expected in page


def test_auth_service_counts_guesses_for_the_browser(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """The address and the user are sent with each, as for a log-in."""
    client, user_id = sign_in()

    client.post(PAGE, FORM, headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})

    path = f"/internal/users/{user_id}/password"
    (sent,) = [headers for _, seen, headers in auth_service.requests if seen == path]
    assert (sent["X-Actor-Id"], sent["X-Actor-Source"]) == (str(user_id), "203.0.113.9")


def test_there_is_no_way_around_the_current_password(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """The page that sets other users' passwords leads here: a stolen session is not enough."""
    client, user_id = sign_in()

    answer = client.post(
        f"/admin/users/user/{user_id}/password/", {"password1": PASSWORD, "password2": PASSWORD}
    )

    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert auth_service.passwords[str(user_id)] == STAFF_PASSWORD

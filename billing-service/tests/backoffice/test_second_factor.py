"""The admin's log-in with a second factor: asked for, set up, reset."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, override_settings
from django.utils import timezone

from tests.auth_stand_in import CREATED_AT, RIGHT_CODE, AuthStandIn
from tests.conftest import STAFF_PASSWORD
from users.feed import apply_user_changes

CODE = "/admin/login/second-factor/"
SET_UP = "/admin/login/second-factor/set-up/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def add_staff(auth_service: AuthStandIn) -> Callable[..., uuid.UUID]:
    """Make a member of staff, by default with a second factor."""

    def add(username: str = "boss", **members: Any) -> uuid.UUID:
        fields = {"is_staff": True, "is_superuser": True, "second_factor_at": CREATED_AT, **members}
        return auth_service.add_user(username, password=STAFF_PASSWORD, **fields)

    return add


@pytest.fixture
def required() -> Iterator[None]:
    """Staff need a second factor."""
    with staff_need_one():
        yield


def staff_need_one() -> override_settings:
    """Return the context in which staff need a second factor."""
    return override_settings(BILLING=replace(settings.BILLING, staff_second_factor_required=True))


def enter_password(client: Client, page: str = "/admin/") -> HttpResponse:
    """Fill in the first page."""
    form = {"username": "boss", "password": STAFF_PASSWORD, "next": page}
    answer: HttpResponse = client.post(f"/admin/login/?next={page}", form)  # type: ignore[assignment] # the test client's response
    return answer


def is_logged_in(client: Client) -> bool:
    """Ask for a page of the admin."""
    return client.get("/admin/").status_code == 200


AddStaff = Callable[..., uuid.UUID]


def test_the_password_alone_does_not_log_in(client: Client, add_staff: AddStaff) -> None:
    """The next page asks for a code; the page that was asked for follows it."""
    add_staff()
    asked = enter_password(client, "/admin/dashboard/")
    assert asked["Location"] == f"{CODE}?next=%2Fadmin%2Fdashboard%2F"
    assert not is_logged_in(client)
    shown = client.get(asked["Location"])
    assert 'autocomplete="one-time-code"' in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]

    entered = client.post(asked["Location"], {"code": RIGHT_CODE})
    assert (entered.status_code, entered["Location"]) == (302, "/admin/dashboard/")
    assert is_logged_in(client)


def test_a_wrong_code_may_be_corrected(client: Client, add_staff: AddStaff) -> None:
    """The page says so and stays."""
    add_staff()
    address = enter_password(client)["Location"]
    again = client.post(address, {"code": "000000"})
    assert (again.status_code, "Refused: wrong_code." in again.content.decode()) == (200, True)
    assert not is_logged_in(client)
    assert client.post(address, {"code": RIGHT_CODE}).status_code == 302
    assert is_logged_in(client)


def test_a_recovery_code_logs_in(client: Client, add_staff: AddStaff) -> None:
    """A link leads to a field for it; no script is needed."""
    add_staff()
    address = enter_password(client, "/admin/dashboard/")["Location"]
    other = f"{CODE}?with=recovery-code&amp;next=%2Fadmin%2Fdashboard%2F"
    assert f'href="{other}"' in client.get(address).content.decode()
    entered = client.post(other.replace("&amp;", "&"), {"recovery_code": RIGHT_CODE})
    assert entered["Location"] == "/admin/dashboard/"
    assert is_logged_in(client)


def test_a_challenge_that_has_ended_leads_back_to_the_password(
    client: Client, add_staff: AddStaff, auth_service: AuthStandIn
) -> None:
    """A page that was left open says what to do."""
    add_staff()
    address = enter_password(client)["Location"]
    auth_service.challenges.clear()
    back = client.post(address, {"code": RIGHT_CODE}, follow=True)
    assert back.redirect_chain == [("/admin/login/?next=%2Fadmin%2F", 302)]
    assert "Log in again" in back.content.decode()


@pytest.mark.parametrize("page", [CODE, SET_UP])
def test_the_pages_need_a_password_first(client: Client, page: str) -> None:
    """A browser that opens them directly gets the login page."""
    for answer in (client.get(page), client.post(page, {"code": RIGHT_CODE})):
        assert (answer.status_code, answer["Location"]) == (302, "/admin/login/")


def test_a_hostile_next_is_dropped_on_the_second_page_too(
    client: Client, add_staff: AddStaff
) -> None:
    """A log-in does not end at another site."""
    add_staff()
    enter_password(client)
    entered = client.post(f"{CODE}?next=https://evil.example/", {"code": RIGHT_CODE})
    assert entered["Location"] == "/admin/"


def test_a_session_that_an_attacker_knows_takes_no_part(
    client: Client, add_staff: AddStaff
) -> None:
    """The session changes with the password and once more with the code (session fixation)."""
    add_staff()
    client.session.save()
    keys = [client.session.session_key]
    address = enter_password(client)["Location"]
    keys.append(client.session.session_key)
    client.post(address, {"code": RIGHT_CODE})
    keys.append(client.session.session_key)
    assert len(set(keys)) == 3


def test_a_customer_with_a_second_factor_stays_outside(client: Client, add_staff: AddStaff) -> None:
    """Both factors are right, and the account is not staff."""
    add_staff(is_staff=False, is_superuser=False)
    address = enter_password(client)["Location"]
    back = client.post(address, {"code": RIGHT_CODE}, follow=True)
    assert "Only staff can log in here." in back.content.decode()
    assert not is_logged_in(client)


@pytest.mark.usefixtures("required")
def test_staff_without_one_set_it_up_at_their_log_in(client: Client, add_staff: AddStaff) -> None:
    """QR code and secret, the first code, then the recovery codes, and they are inside."""
    add_staff(second_factor_at=None)
    asked = enter_password(client, "/admin/dashboard/")
    assert asked["Location"] == f"{SET_UP}?next=%2Fadmin%2Fdashboard%2F"
    assert not is_logged_in(client)
    shown = client.get(asked["Location"]).content.decode()
    assert "<svg></svg>" in shown
    assert "JBSW Y3DP" in shown

    wrong = client.post(asked["Location"], {"code": "000000"}).content.decode()
    assert "Refused: wrong_code." in wrong
    assert "<svg></svg>" in wrong
    unfit = client.post(asked["Location"], {"code": "abc"}).content.decode()
    assert "Enter the six digits." in unfit
    assert not is_logged_in(client)

    done = client.post(asked["Location"], {"code": RIGHT_CODE})
    assert "no-store" in done["Cache-Control"]
    assert all(f"CODE-{number}" in done.content.decode() for number in range(10))
    assert 'href="/admin/dashboard/"' in done.content.decode()
    assert is_logged_in(client)
    assert client.get(SET_UP)["Location"] == "/admin/login/"


@pytest.mark.usefixtures("required")
def test_the_set_up_ends_when_the_account_changes(
    client: Client, add_staff: AddStaff, auth_service: AuthStandIn
) -> None:
    """An intruder whose password was replaced meanwhile does not get in."""
    user_id = add_staff(second_factor_at=None)
    address = enter_password(client)["Location"]
    auth_service.change_user(user_id, auth_epoch=2)
    back = client.post(address, {"code": RIGHT_CODE}, follow=True)
    assert "Log in again" in back.content.decode()
    assert auth_service.users[str(user_id)]["second_factor_at"] is None
    assert not is_logged_in(client)


@pytest.mark.usefixtures("required")
def test_the_set_up_ends_after_a_quarter_of_an_hour(
    client: Client, add_staff: AddStaff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser that was left alone cannot be taken over later."""
    add_staff(second_factor_at=None)
    address = enter_password(client)["Location"]
    later = timezone.now().timestamp() + 15 * 60 + 1
    monkeypatch.setattr("backoffice.second_factor.time.time", lambda: later)
    assert client.get(address)["Location"].startswith("/admin/login/?next=")


@pytest.mark.usefixtures("required")
def test_an_auth_service_of_the_last_release_locks_no_one_out(
    client: Client, auth_service: AuthStandIn
) -> None:
    """While the services are upgraded one after the other, the password is enough."""
    auth_service.add_user("boss", password=STAFF_PASSWORD, is_staff=True)
    enter_password(client)
    assert is_logged_in(client)


def test_where_it_is_optional_the_password_is_enough(client: Client, add_staff: AddStaff) -> None:
    """The demo stays as it is."""
    add_staff(second_factor_at=None)
    enter_password(client)
    assert is_logged_in(client)


def test_auth_service_unavailable_at_each_step(
    client: Client, add_staff: AddStaff, auth_service: AuthStandIn
) -> None:
    """A sentence each time, never a 500."""
    user_id = add_staff()
    address = enter_password(client)["Location"]
    auth_service.away = True
    said = client.post(address, {"code": RIGHT_CODE}).content.decode()
    assert "auth-service cannot be reached right now" in said

    auth_service.away = False
    auth_service.users[str(user_id)]["second_factor_at"] = None
    with staff_need_one():
        address = enter_password(client)["Location"]
    auth_service.away = True
    back = client.get(address, follow=True).content.decode()
    assert "Auth-service cannot be reached right now" in back


def test_superusers_reset_a_lost_second_factor(
    sign_in: Callable[..., tuple[Client, uuid.UUID]],
    auth_service: AuthStandIn,
    add_staff: AddStaff,
) -> None:
    """After a confirmation; other staff have neither button nor page."""
    lost = add_staff("lost")
    apply_user_changes()
    page = f"/admin/users/user/{lost}/second-factor/"
    client, _ = sign_in("root")
    assert page in client.get(f"/admin/users/user/{lost}/change/").content.decode()
    assert "lost both phone and recovery codes" in client.get(page).content.decode()
    assert auth_service.users[str(lost)]["second_factor_at"] is not None
    done = client.post(page, follow=True).content.decode()
    assert "was reset; their sessions have ended" in done
    assert auth_service.users[str(lost)]["second_factor_at"] is None

    other, _ = sign_in("clerk", is_superuser=False)
    assert other.post(page).status_code == 403

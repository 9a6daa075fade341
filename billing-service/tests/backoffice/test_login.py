"""Staff log into the admin with their auth-service password."""

import uuid
from collections.abc import Callable

import pytest
from django.test import Client

from tests.auth_stand_in import AuthStandIn, Refusal
from tests.conftest import STAFF_PASSWORD
from tests.signing import SigningKey, signing_key
from users.feed import apply_user_changes
from users.models import User

SignIn = Callable[..., tuple[Client, uuid.UUID]]


def _log_in(client: Client, username: str, password: str = STAFF_PASSWORD) -> str:
    answer = client.post("/admin/login/", {"username": username, "password": password})
    return "" if answer.status_code == 302 else answer.content.decode()


def test_staff_get_in_and_are_mirrored(sign_in: SignIn) -> None:
    """The log-in brings the account over, so it works before the feed was ever read."""
    client, user_id = sign_in("boss")

    assert client.get("/admin/").status_code == 200
    mirrored = User.objects.get(id=user_id)
    assert (mirrored.username, mirrored.is_superuser) == ("boss", True)
    assert mirrored.last_login is not None


@pytest.mark.django_db
def test_a_customer_with_the_right_password_stays_outside(
    client: Client, auth_service: AuthStandIn
) -> None:
    """The form says the same as for a wrong password, and no row is left behind."""
    auth_service.add_user("customer", password=STAFF_PASSWORD)

    assert "correct username and password" in _log_in(client, "customer")
    assert "correct username and password" in _log_in(client, "customer", "wrong password")
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_form_says_that_auth_service_is_unavailable(
    client: Client, auth_service: AuthStandIn
) -> None:
    """Staff learn that it is not their password."""
    auth_service.add_user("boss", password=STAFF_PASSWORD, is_staff=True)
    auth_service.away = True

    assert "auth-service cannot be reached right now" in _log_in(client, "boss")


@pytest.mark.django_db
def test_the_form_says_when_auth_service_throttles(
    client: Client, auth_service: AuthStandIn
) -> None:
    """A 429 is shown in auth-service's own words."""
    auth_service.refuse_next = Refusal(429, "too_many_attempts")

    assert "Refused: too_many_attempts." in _log_in(client, "boss")


@pytest.mark.django_db
def test_a_forged_response_is_refused(client: Client, auth_service: AuthStandIn) -> None:
    """A server in auth-service's place would also need its signing key."""
    auth_service.add_user("boss", password=STAFF_PASSWORD, is_staff=True)
    auth_service.key = SigningKey(signing_key(2).private, auth_service.key.jwk)

    assert "invalid, expired or revoked" in _log_in(client, "boss")


def test_auth_service_learns_the_browsers_address(
    client: Client, auth_service: AuthStandIn, sign_in: SignIn
) -> None:
    """Throttling counts the browser, not billing; the audit log names the browser's program."""
    auth_service.add_user("other", password=STAFF_PASSWORD, is_staff=True)
    client.post(
        "/admin/login/",
        {"username": "other", "password": STAFF_PASSWORD},
        headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "User-Agent": "Firefox"},
    )

    sent = [seen[2] for seen in auth_service.requests if seen[1] == "/api/token/obtain"]
    assert sent[-1]["X-Forwarded-For"] == "203.0.113.9"
    assert sent[-1]["User-Agent"] == "Firefox"


def test_sessions_go_on_while_auth_service_is_unavailable(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """Staff who are logged in go on working: pages make no request to auth-service."""
    client, _ = sign_in()
    auth_service.away = True

    assert client.get("/admin/users/user/").status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"is_staff": False}, {"is_superuser": False}, {"is_active": False}, {"auth_epoch": 2}],
    ids=str,
)
def test_a_demoted_member_of_staff_is_out_on_the_next_request(
    sign_in: SignIn, auth_service: AuthStandIn, change: dict[str, object]
) -> None:
    """Demotion, deactivation or a new password at auth-service ends the session."""
    client, user_id = sign_in()
    auth_service.change_user(user_id, **change)
    apply_user_changes()

    answer = client.get("/admin/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/admin/",
        "\\\\evil.example",
        "/\\evil.example",
        "/admin/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/admin/\n",
        "\x00",
        "/nothing",
        "/admin/nothing/",
        "/admin/logout/",
        "/admin/users/nothing/",
        "/admin/../nothing",
        "/api/subscriptions/status",
        "/static/nothing.css",
        "http://[",
        "",
    ],
)
@pytest.mark.parametrize("where", ["query", "form", "both"])
def test_a_next_that_is_no_page_of_the_admin_leads_to_its_home(
    client: Client, auth_service: AuthStandIn, db: None, address: str, where: str
) -> None:
    """A link from elsewhere leads neither to another site nor to a 404."""
    auth_service.add_user("boss", password=STAFF_PASSWORD, is_staff=True)
    form = {"username": "boss", "password": STAFF_PASSWORD}
    query = {} if where == "form" else {"next": address}
    if where != "query":
        form["next"] = address

    shown = client.get("/admin/login/", query)
    answer = client.post("/admin/login/", form, query_params=query)

    assert 'name="next" value="/admin/"' in shown.content.decode()
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("page", ["/admin/users/user/", "/admin/dashboard/", "/admin/?x=1"])
def test_the_page_that_was_asked_for_follows_the_log_in(
    client: Client, auth_service: AuthStandIn, db: None, page: str
) -> None:
    """A bookmark or a link in a chat works for staff whose session has ended."""
    auth_service.add_user("boss", password=STAFF_PASSWORD, is_staff=True)
    login = client.get(page)["Location"]

    answer = client.post(login, {"username": "boss", "password": STAFF_PASSWORD, "next": page})

    assert (answer.status_code, answer["Location"]) == (302, page)

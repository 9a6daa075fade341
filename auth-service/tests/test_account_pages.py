"""The pages that the links of mails lead to."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from auth_service.users.account_requests import SignUp
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service
from tests.mails import Mailbox

ADA = "ada@example.org"
NEW_PASSWORD = "another horse battery"


@pytest.fixture
def reset_token(http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]) -> str:
    """The token of a link that resets Ada's password."""
    add_user("ada", email=ADA)
    assert http.post("/account/reset-password", data={"email": ADA}).status_code == 200
    return mailbox.token(ADA)


@pytest.fixture
def closed(service: Service) -> Iterator[None]:
    """SIGNUP=closed."""
    before = service.state
    service.app.state.auth = replace(before, sign_up=SignUp.CLOSED)
    yield
    service.app.state.auth = before


def submit(http: httpx.Client, page: str, **fields: str) -> httpx.Response:
    """Send a page's form."""
    return http.post(f"/account/{page}", data=fields)


def test_a_scanner_that_opens_the_link_uses_nothing_up(
    http: httpx.Client, reset_token: str, obtain: Callable[..., httpx.Response]
) -> None:
    """Mail servers and browsers open links in advance."""
    for _ in range(3):
        page = http.get("/account/reset-password", params={"token": reset_token})
        assert f'value="{reset_token}"' in page.text
    done = submit(http, "reset-password", token=reset_token, new_password=NEW_PASSWORD)

    assert (done.status_code, "Your password is changed" in done.text) == (200, True)
    assert obtain(password=NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/account/sign-up",
        "/account/reset-password?token=x",
        "/account/verify-email",
        "/account/mail",
    ],
)
def test_the_pages_keep_their_secrets(http: httpx.Client, address: str) -> None:
    """No copy in a cache, no referrer, nothing from elsewhere, in no frame, no script."""
    page = http.get(address)

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert set(page.headers["Content-Security-Policy"].split("; ")) == {
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    }
    assert "<script" not in page.text
    assert "style=" not in page.text


def test_the_style_sheet_is_a_file(http: httpx.Client) -> None:
    """As the policy of the pages demands."""
    assert "color-scheme" in http.get("/account/assets/account.css").text


def test_what_is_wrong_is_shown_where_it_was_typed(
    http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]
) -> None:
    """Names are kept, passwords are not, and nothing that was typed becomes HTML."""
    add_user("taken")
    submit(http, "sign-up", email=ADA)
    token = mailbox.token(ADA)
    invalid = submit(http, "sign-up", token=token, username='"><b>x', password="password")
    short = submit(http, "sign-up", token=token, username="ada", password="short")
    taken = submit(http, "sign-up", token=token, username="taken", password=PASSWORD)
    done = submit(http, "sign-up", token=token, username="ada", password=PASSWORD)
    used = submit(http, "sign-up", token=token, username="eve", password=PASSWORD)

    assert (invalid.status_code, 'id="username-error-1"' in invalid.text) == (400, True)
    assert "<b>x" not in invalid.text
    assert (short.status_code, 'value="ada"' in short.text) == (400, True)
    assert 'id="password-error-1"' in short.text
    assert "short" not in short.text.replace("password_too_short", "")
    assert (taken.status_code, "already taken" in taken.text) == (409, True)
    assert (done.status_code, "Your account is ready" in done.text) == (200, True)
    assert (used.status_code, "already used" in used.text) == (400, True)


def test_a_limit_says_when_to_come_back(http: httpx.Client) -> None:
    """As the API does."""
    pages = [submit(http, "reset-password", email=ADA) for _ in range(6)]

    assert [page.status_code for page in pages] == [200] * 5 + [429]
    assert int(pages[-1].headers["Retry-After"]) > 0


def test_a_page_without_its_link_says_so(http: httpx.Client) -> None:
    """Someone who types the address in."""
    for name in ("verify-email", "change-email"):
        assert "with the link in your mail" in http.get(f"/account/{name}").text
        assert submit(http, name).status_code == 400


@pytest.mark.usefixtures("closed")
def test_a_closed_sign_up_has_no_form(http: httpx.Client) -> None:
    """Neither to ask for a link, nor with one."""
    assert http.get("/account/sign-up").status_code == 403
    assert submit(http, "sign-up", email=ADA).status_code == 403
    refused = submit(http, "sign-up", token="x", username="ada", password=PASSWORD)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "content", [b"", b"email=a&email=b", b"email=%ff", b"token=" + b"x" * 9000, b"{}"]
)
def test_broken_forms_are_refused(http: httpx.Client, content: bytes) -> None:
    """Never a 5xx."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for name in ("sign-up", "reset-password", "verify-email"):
        answer = http.post(f"/account/{name}", content=content, headers=headers)
        assert 400 <= answer.status_code < 500


def test_links_lead_to_our_pages_whatever_the_host_header_says(
    http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]
) -> None:
    """Otherwise an attacker's host in the request would receive the owner's token."""
    add_user("ada", email=ADA)
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    http.post("/api/account/reset-password", json={"email": ADA}, headers=headers)

    (mail,) = mailbox.mails(ADA)
    message = mailbox.message(mail).as_string()
    assert "http://localhost:8000/account/reset-password?token=" in message.replace("=\n", "")
    assert "evil" not in message

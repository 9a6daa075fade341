"""Sign-up: who may, what is revealed, and what the link of the mail is good for."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from auth_service.users.account_requests import SignUp
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, MovableClock, Service
from tests.mails import Mailbox, text_of

ADA = "ada@example.org"


def ask(http: httpx.Client, email: str = ADA, *, client_ip: str = "192.0.2.1") -> httpx.Response:
    """Ask for a link to sign up."""
    headers = {"X-Forwarded-For": client_ip}
    return http.post("/api/account/sign-up", json={"email": email}, headers=headers)


def confirm(
    http: httpx.Client, token: str, *, username: str = "ada", password: str = PASSWORD
) -> httpx.Response:
    """Choose a username and a password."""
    body = {"token": token, "username": username, "password": password}
    return http.post("/api/account/sign-up/confirm", json=body)


@pytest.fixture
def mode(service: Service) -> Iterator[Callable[[SignUp], None]]:
    """Set SIGNUP for one test."""
    before = service.state

    def choose(sign_up: SignUp) -> None:
        service.app.state.auth = replace(before, sign_up=sign_up)

    yield choose
    service.app.state.auth = before


def test_a_stranger_signs_up(
    http: httpx.Client, mailbox: Mailbox, obtain: Callable[..., httpx.Response]
) -> None:
    """From an address to an account that can log in, with a verified address."""
    assert ask(http).status_code == 202
    created = confirm(http, mailbox.token(ADA))

    assert created.status_code == 201
    assert created.json()["email"] == ADA
    assert created.json()["email_verified_at"]
    assert obtain().status_code == 200


def test_the_link_works_once(http: httpx.Client, mailbox: Mailbox) -> None:
    """A second account cannot be made with it."""
    ask(http)
    token = mailbox.token(ADA)
    confirm(http, token)
    again = confirm(http, token, username="other")

    assert (again.status_code, again.json()["code"]) == (400, "one_time_token_not_valid")


def test_a_taken_username_leaves_the_link_good(
    http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]
) -> None:
    """The person chooses another one, without a new mail; a refused password likewise."""
    add_user("ada")
    ask(http)
    token = mailbox.token(ADA)

    taken = confirm(http, token, username="ADA")
    short = confirm(http, token, username="ada2", password="short")
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    assert (short.status_code, list(short.json()["errors"])) == (400, ["password"])
    assert confirm(http, token, username="ada2").status_code == 201


def test_a_link_guesses_few_usernames(
    http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]
) -> None:
    """The holder of a link cannot list who has an account."""
    add_user("ada")
    ask(http)
    token = mailbox.token(ADA)
    answers = [confirm(http, token, username="ada") for _ in range(31)]

    assert {a.status_code for a in answers[:30]} == {409}
    assert (answers[30].status_code, answers[30].json()["code"]) == (429, "too_many_requests")
    assert int(answers[30].headers["Retry-After"]) > 0


def test_a_known_address_gets_the_same_answer_and_another_mail(
    http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]
) -> None:
    """Only the owner learns that there is an account, in a mail that leads to a new password."""
    add_user("ada", email=ADA)
    known, unknown = ask(http, ADA.upper()), ask(http, "new@example.org")

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    (mail,) = mailbox.mails(ADA)
    assert mail.template == "account_exists"
    assert "already have one: ada" in text_of(mailbox.message(mail))
    assert confirm(http, mailbox.token(ADA), username="x").status_code == 400
    assert [m.template for m in mailbox.mails("new@example.org")] == ["sign_up"]


def test_a_deactivated_user_does_not_come_back(
    http: httpx.Client, mailbox: Mailbox, add_user: Callable[..., User]
) -> None:
    """The answer is the same; there is no link to a second account."""
    add_user("gone", email=ADA, is_active=False)

    assert ask(http).status_code == 202
    assert mailbox.mails() == []


def test_a_later_link_replaces_the_earlier_one(http: httpx.Client, mailbox: Mailbox) -> None:
    """Only the latest mail is good."""
    ask(http)
    first = mailbox.token(ADA)
    ask(http)
    second = mailbox.token(ADA)

    assert confirm(http, first).status_code == 400
    assert confirm(http, second).status_code == 201


def test_two_links_for_one_address_make_one_account(
    http: httpx.Client, mailbox: Mailbox, service: Service, add_user: Callable[..., User]
) -> None:
    """A verified address has one account, however the links were made."""
    ask(http)
    token = mailbox.token(ADA)
    add_user("first", email=ADA, email_verified_at=service.clock())
    answer = confirm(http, token)

    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


def test_mails_are_limited_by_address_and_by_network(http: httpx.Client, mailbox: Mailbox) -> None:
    """No mailbox is flooded, and the limit is the same for an unknown address."""
    answers = [ask(http, client_ip=f"192.0.2.{n}") for n in range(6)]
    others = [ask(http, f"user{n}@example.org", client_ip="198.51.100.1") for n in range(101)]

    assert [a.status_code for a in answers] == [202] * 5 + [429]
    assert [a.status_code for a in others] == [202] * 100 + [429]
    assert others[100].json()["code"] == "too_many_requests"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@localhost",
        "ada@example.org\r\nBcc: all@example.org",
        "ada@example.org, eve@example.org",
        "<ada@example.org>",
        '"ada"@example.org',
        "ada@exa mple.org",
        "a" * 65 + "@example.org",
        "ada@[192.0.2.1]",
        "ada@example.org\0",
    ],
)
def test_what_is_no_plain_address_is_refused(http: httpx.Client, email: str) -> None:
    """No header, second recipient or comment can be smuggled into a mail."""
    answer = ask(http, email)

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["email"])


def test_closed_and_invited(
    http: httpx.Client, mailbox: Mailbox, mode: Callable[[SignUp], None], service: Service
) -> None:
    """Closed refuses both calls; by invitation, a link that exists is good."""
    ask(http)
    token = mailbox.token(ADA)

    mode(SignUp.CLOSED)
    assert [a.json()["code"] for a in (ask(http), confirm(http, token))] == ["sign_up_closed"] * 2
    mode(SignUp.INVITE)
    assert ask(http).json()["code"] == "sign_up_closed"
    assert confirm(http, token).status_code == 201


def test_without_mail_nothing_is_promised(http: httpx.Client, service: Service) -> None:
    """An installation that sends no mail says so."""
    before = service.state
    service.app.state.auth = replace(before, has_mail=False)
    try:
        answers = [
            ask(http),
            http.post("/api/account/reset-password", json={"email": ADA}),
        ]
    finally:
        service.app.state.auth = before

    assert {(a.status_code, a.json()["code"]) for a in answers} == {(403, "mail_not_configured")}


def test_staff_invite_someone(
    as_billing: httpx.Client, http: httpx.Client, mailbox: Mailbox, clock: MovableClock
) -> None:
    """The link is good for a week, and an address with an account is not invited."""
    assert as_billing.post("/internal/invitations", json={"email": ADA}).status_code == 204
    token = mailbox.token(ADA)
    clock.advance(days=6)
    assert confirm(http, token).status_code == 201

    clock.advance(days=-6)
    again = as_billing.post("/internal/invitations", json={"email": ADA})
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")

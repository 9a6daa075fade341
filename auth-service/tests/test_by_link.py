"""Verify an address, reset a password, change an address: each by the link of a mail."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from auth_service.audit import Origin
from auth_service.mail import outbox
from auth_service.mail.rendering import mail_texts
from auth_service.tables import account_request, mail_outbox, one_time_token
from auth_service.users import changes
from auth_service.users.accounts import User
from auth_service.users.changes import Change
from tests.conftest import PASSWORD, MovableClock, Service
from tests.mails import Mailbox, text_of

ADA, NEW = "ada@example.org", "ada@example.com"
NEW_PASSWORD = "another horse battery"
Obtain = Callable[..., httpx.Response]


@pytest.fixture
def ada(add_user: Callable[..., User]) -> User:
    """An account with an address that is not verified, as staff create them."""
    return add_user("ada", email=ADA)


@pytest.fixture
def call(http: httpx.Client) -> Callable[..., httpx.Response]:
    """POST to a call of the API, as its caller if an access token is given."""

    def post(path: str, body: dict[str, Any] | None = None, *, access: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {access}"} if access else {}
        return http.post(f"/api/account/{path}", json=body, headers=headers)

    return post


Call = Callable[..., httpx.Response]


def reset(call: Call, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    """Set a new password with the token of a link."""
    return call("reset-password/confirm", {"token": token, "new_password": password})


def test_a_forgotten_password_is_reset(
    ada: User, call: Call, mailbox: Mailbox, obtain: Obtain, refresh: Call
) -> None:
    """The new password works, the old one does not, all sessions end, and a mail says so."""
    session = obtain().json()["refresh"]
    assert call("reset-password", {"email": ADA}).status_code == 202
    assert reset(call, mailbox.token(ADA)).status_code == 204

    assert refresh(session).status_code == 401
    assert obtain(password=PASSWORD).status_code == 401
    assert obtain(password=NEW_PASSWORD).status_code == 200
    assert [m.template for m in mailbox.mails(ADA)] == ["reset_password", "password_changed"]


def test_an_unknown_address_gets_the_same_answer_and_no_mail(
    ada: User, call: Call, mailbox: Mailbox
) -> None:
    """Strangers cannot have us write to anyone, nor learn who has an account."""
    known = call("reset-password", {"email": ADA})
    unknown = call("reset-password", {"email": "eve@example.org"})

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert mailbox.mails("eve@example.org") == []


def test_twelve_uses_at_once_are_one_success(ada: User, call: Call, mailbox: Mailbox) -> None:
    """A token is used up in the transaction of what it allows."""
    call("reset-password", {"email": ADA})
    token = mailbox.token(ADA)
    with ThreadPoolExecutor(12) as threads:
        answers = list(
            threads.map(lambda n: reset(call, token, f"another horse {n} battery"), range(12))
        )

    statuses = [a.status_code for a in answers]
    assert statuses.count(204) == 1
    # On a busy machine, some wait too long for the hash of their password.
    assert set(statuses) <= {204, 400, 503}


def test_a_refused_password_leaves_the_link_good(ada: User, call: Call, mailbox: Mailbox) -> None:
    """The policy speaks before the token is used up."""
    call("reset-password", {"email": ADA})
    token = mailbox.token(ADA)
    refused = reset(call, token, "short")

    assert list(refused.json()["errors"]) == ["new_password"]
    assert refused.json()["error_codes"]["new_password"]
    assert reset(call, token).status_code == 204


def test_a_link_ends(
    ada: User, call: Call, mailbox: Mailbox, clock: MovableClock, obtain: Obtain
) -> None:
    """After an hour, by a later link, and when the sessions of the account end."""
    call("reset-password", {"email": ADA})
    expired = mailbox.token(ADA)
    clock.advance(hours=1, seconds=1)
    call("reset-password", {"email": ADA})
    replaced = mailbox.token(ADA)
    call("reset-password", {"email": ADA})
    ended = mailbox.token(ADA)
    access = obtain().json()["access"]
    http_refused = [reset(call, token) for token in (expired, replaced)]
    call_all = {"Authorization": f"Bearer {access}"}
    assert httpx.post(_url(call, "/api/token/revoke-all"), headers=call_all).status_code == 204
    refused = [*http_refused, reset(call, ended), reset(call, "x" * 43)]

    assert {(a.status_code, a.json()["code"]) for a in refused} == {
        (400, "one_time_token_not_valid")
    }


def test_an_inactive_account_gets_no_mail(
    ada: User, call: Call, mailbox: Mailbox, service: Service
) -> None:
    """Deactivated stays deactivated."""
    with changes.change(service.engine, origin=Origin(client="t"), now=service.clock()) as change:
        changes.deactivate(change, ada.id)
    call("reset-password", {"email": ADA})

    assert mailbox.mails() == []


def test_the_owner_of_an_address_is_the_account_that_verified_it(
    ada: User, call: Call, mailbox: Mailbox, service: Service, add_user: Callable[..., User]
) -> None:
    """Accounts with the same address each get a mail, until one of them has verified it."""
    add_user("second", email=ADA.upper())
    call("reset-password", {"email": ADA})
    assert {m.context["username"] for m in mailbox.mails()} == {"ada", "second"}

    add_user("owner", email=ADA, email_verified_at=service.clock())
    before = {mail.id for mail in mailbox.rows()}
    call("reset-password", {"email": ADA})
    assert [m.context["username"] for m in mailbox.mails() if m.id not in before] == ["owner"]


def test_an_address_is_verified(
    ada: User, call: Call, mailbox: Mailbox, obtain: Obtain, http: httpx.Client
) -> None:
    """Staff typed it in; its reader confirms it. Asked for again, there is no second mail."""
    access = obtain().json()["access"]
    me = {"Authorization": f"Bearer {access}"}
    assert http.get("/api/token/me", headers=me).json()["email_verified_at"] is None
    assert call("verify-email", access=access).status_code == 202
    assert call("verify-email/confirm", {"token": mailbox.token(ADA)}).status_code == 204

    assert http.get("/api/token/me", headers=me).json()["email_verified_at"]
    assert call("verify-email", access=access).status_code == 202
    assert [m.template for m in mailbox.mails()] == ["verify_email"]


def test_a_link_that_ends_no_session_works_once_too(
    ada: User, call: Call, mailbox: Mailbox, obtain: Obtain
) -> None:
    """Nothing but its use ends the token."""
    call("verify-email", access=obtain().json()["access"])
    token = mailbox.token(ADA)
    answers = [call("verify-email/confirm", {"token": token}) for _ in range(2)]

    assert [a.status_code for a in answers] == [204, 400]


def test_an_address_that_staff_enter_is_not_verified(
    add_user: Callable[..., User], service: Service, obtain: Obtain, http: httpx.Client
) -> None:
    """Not even if the one before was."""
    user = add_user("ada", email=ADA, email_verified_at=service.clock())
    with changes.change(service.engine, origin=Origin(client="t"), now=service.clock()) as change:
        changes.update(change, user.id, {"email": NEW}, expected_version=user.version)

    me = {"Authorization": f"Bearer {obtain().json()['access']}"}
    assert http.get("/api/token/me", headers=me).json()["email_verified_at"] is None


def test_an_address_that_changed_meanwhile_is_not_verified(
    ada: User, call: Call, mailbox: Mailbox, obtain: Obtain, service: Service
) -> None:
    """The link of the old address says nothing about the new one."""
    call("verify-email", access=obtain().json()["access"])
    token = mailbox.token(ADA)
    with changes.change(service.engine, origin=Origin(client="t"), now=service.clock()) as change:
        changes.update(change, ada.id, {"email": NEW}, expected_version=ada.version)

    assert call("verify-email/confirm", {"token": token}).status_code == 400


def test_an_address_is_changed(
    ada: User, call: Call, mailbox: Mailbox, obtain: Obtain, http: httpx.Client
) -> None:
    """Confirmed at the new address, reported to the old one, the old one until then."""
    access = obtain().json()["access"]
    me = {"Authorization": f"Bearer {access}"}
    body = {"new_email": NEW, "current_password": PASSWORD}
    assert call("change-email", body, access=access).status_code == 202
    assert http.get("/api/token/me", headers=me).json()["email"] == ADA
    assert call("change-email/confirm", {"token": mailbox.token(NEW)}).status_code == 204

    account = http.get("/api/token/me", headers=me).json()
    assert (account["email"], bool(account["email_verified_at"])) == (NEW, True)
    assert [m.template for m in mailbox.mails(ADA)] == ["email_changed"]


def test_a_change_of_address_needs_the_password(ada: User, call: Call, obtain: Obtain) -> None:
    """A stolen access token does not take the account over."""
    body = {"new_email": NEW, "current_password": "wrong"}
    refused = call("change-email", body, access=obtain().json()["access"])

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")


def test_a_password_change_ends_a_change_of_address(
    ada: User, call: Call, mailbox: Mailbox, obtain: Obtain, http: httpx.Client
) -> None:
    """Who took the account over cannot finish what was begun."""
    access = obtain().json()["access"]
    call("change-email", {"new_email": NEW, "current_password": PASSWORD}, access=access)
    token = mailbox.token(NEW)
    http.post(
        "/api/token/password",
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers={"Authorization": f"Bearer {access}"},
    )

    assert call("change-email/confirm", {"token": token}).status_code == 400


def test_an_address_of_another_account_is_not_taken(
    call: Call, mailbox: Mailbox, obtain: Obtain, clock: MovableClock, add_user: Callable[..., User]
) -> None:
    """The answer is the same, and only the other account's owner learns of it."""
    add_user("ada", email=ADA)
    add_user("eve", email=NEW, email_verified_at=clock())
    access = obtain().json()["access"]
    body = {"new_email": NEW, "current_password": PASSWORD}

    assert call("change-email", body, access=access).status_code == 202
    assert [m.template for m in mailbox.mails(NEW)] == ["email_in_use"]


def test_a_token_has_one_purpose(ada: User, call: Call, mailbox: Mailbox, obtain: Obtain) -> None:
    """The link that verifies an address does not set a password."""
    call("verify-email", access=obtain().json()["access"])

    assert reset(call, mailbox.token(ADA)).status_code == 400


def test_no_token_is_stored(ada: User, call: Call, mailbox: Mailbox, service: Service) -> None:
    """A stolen backup resets no password."""
    call("reset-password", {"email": ADA})
    token = mailbox.token(ADA)
    with service.engine.connect() as connection:
        stored = [
            repr(tuple(row))
            for table in (mail_outbox, one_time_token, account_request)
            for row in connection.execute(select(table))
        ]

    assert len(stored) == 2
    assert not [row for row in stored if token in row]


def test_a_deleted_account_leaves_no_mail_behind(
    ada: User, call: Call, mailbox: Mailbox, service: Service
) -> None:
    """Mails and tokens hold a name and an address."""
    call("reset-password", {"email": ADA})
    mailbox.deliver()
    with changes.change(service.engine, origin=Origin(client="t"), now=service.clock()) as change:
        changes.delete(change, ada.id)

    with service.engine.connect() as connection:
        for table in (mail_outbox, one_time_token):
            assert connection.execute(select(table)).all() == []


def _url(call: Call, path: str) -> str:
    return str(call("x").url).partition("/api/")[0] + path


def test_notices_of_log_ins(
    ada: User, mailbox: Mailbox, obtain: Obtain, clock: MovableClock
) -> None:
    """A log-in from a new network is reported; the first one of all and known networks are not."""
    obtain(client_ip="192.0.2.1")
    obtain(client_ip="192.0.2.1")
    assert mailbox.mails() == []
    obtain(client_ip="198.51.100.7")
    obtain(client_ip="198.51.100.7")

    (mail,) = mailbox.mails(ADA)
    assert mail.template == "unknown_network"
    assert "198.51.100.7" in text_of(mailbox.message(mail))
    clock.advance(days=31)
    obtain(client_ip="192.0.2.1")
    assert len(mailbox.mails()) == 2


def test_an_account_without_address_gets_no_notice(
    add_user: Callable[..., User], mailbox: Mailbox, obtain: Obtain
) -> None:
    """Most accounts of earlier releases have none."""
    add_user("bob")
    for n in (1, 2):
        obtain("bob", client_ip=f"192.0.2.{n}")

    assert mailbox.mails() == []


def test_notices_of_a_second_factor(ada: User, mailbox: Mailbox, service: Service) -> None:
    """Set up, removed by its user, and reset by support: each is reported."""
    acts: list[Callable[[Change], object]] = [
        lambda change: changes.enable_second_factor(change, ada),
        lambda change: changes.disable_second_factor(change, ada),
        lambda change: changes.enable_second_factor(change, ada),
        lambda change: changes.reset_second_factor(change, ada.id),
    ]
    for act in acts:
        origin, now = Origin(client="t"), service.clock()
        with changes.change(service.engine, origin=origin, now=now) as change:
            act(change)

    added, removed = "second_factor_added", "second_factor_removed"
    assert [m.template for m in mailbox.mails(ADA)] == [added, removed, added, removed]


def test_every_mail_can_be_written(mailbox: Mailbox, service: Service) -> None:
    """Each text has the values that it uses, in both bodies, and a subject of one line."""
    context = {"username": "ada", "at": "now", "network": "x", "expires_at": "later"}
    for name in mail_texts():
        with service.engine.begin() as connection:
            outbox.enqueue(connection, name, recipient=ADA, now=service.clock(), context=context)
    mails = mailbox.mails(ADA)

    assert len(mails) == len(mail_texts()) > 10
    for mail in mails:
        message = mailbox.message(mail)
        assert message["Subject"]
        for kind in ("plain", "html"):
            assert "{" not in text_of(message, kind)


def test_a_name_cannot_write_html(
    add_user: Callable[..., User], mailbox: Mailbox, service: Service
) -> None:
    """What people typed is text in both bodies."""
    context = {"username": "<b>ada</b>", "at": "now", "network": "x"}
    with service.engine.begin() as connection:
        outbox.enqueue(
            connection, "unknown_network", recipient=ADA, now=service.clock(), context=context
        )
    message = mailbox.message(mailbox.mails(ADA)[0])

    assert "&lt;b&gt;ada" in text_of(message, "html")
    assert "<b>ada" not in text_of(message, "html")
    assert "<b>ada" in text_of(message)

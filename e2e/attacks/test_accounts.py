"""Attacks on sign-up, resets and the links of mails, through the gateway."""

import uuid
from collections.abc import Callable

import httpx

from e2e.journeys.test_accounts import call, link_to, token_of
from e2e.people import PASSWORD, Person
from e2e.system import RunningSystem

NewPerson = Callable[..., Person]


def test_a_host_of_the_attackers_gets_no_link(
    running: RunningSystem, new_person: NewPerson
) -> None:
    """Links lead to PUBLIC_URL, whatever the request says about its host."""
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    new_person(email=email)
    forged = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = call(running, "reset-password", {"email": email}, **forged)

    assert answer.status_code == 202
    assert "evil" not in link_to(running, email, "Reset your password")


def test_a_link_is_good_for_its_own_call_alone(
    running: RunningSystem, new_person: NewPerson
) -> None:
    """The token of one kind of link opens no other, and nothing else is accepted in its place."""
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    person = new_person(email=email)
    call(running, "reset-password", {"email": email})
    token = token_of(link_to(running, email, "Reset your password"))
    name = {"username": f"x{uuid.uuid4().hex[:8]}", "password": PASSWORD}
    refused = [
        call(running, "verify-email/confirm", {"token": token}),
        call(running, "change-email/confirm", {"token": token}),
        call(running, "sign-up/confirm", {"token": token, **name}),
        call(running, "reset-password/confirm", {"token": token[:-1], "new_password": PASSWORD}),
        call(running, "reset-password/confirm", {"token": person.access, "new_password": PASSWORD}),
    ]

    assert {(a.status_code, a.json()["code"]) for a in refused} == {
        (400, "one_time_token_not_valid")
    }


def test_an_access_token_alone_changes_no_address(
    running: RunningSystem, new_person: NewPerson
) -> None:
    """Who has stolen one cannot move the account to another mailbox."""
    person = new_person(email=f"{uuid.uuid4().hex[:8]}@example.org")
    body = {"new_email": "evil@example.com", "current_password": "a wrong guess"}
    refused = call(running, "change-email", body, Authorization=f"Bearer {person.access}")

    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")


def test_one_mailbox_is_not_flooded(running: RunningSystem) -> None:
    """From many addresses at once, known or not: five an hour."""
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    answers = [call(running, "sign-up", {"email": email}) for _ in range(8)]

    assert [a.status_code for a in answers] == [202] * 5 + [429] * 3
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_what_is_typed_reaches_no_header_of_a_mail(running: RunningSystem) -> None:
    """Line breaks, second recipients and comments are refused before a mail is written."""
    for email in (
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org,b@example.org",
        "a@example.org\nSubject: x",
        '"a\\" <b@example.org>"@example.org',
    ):
        assert call(running, "sign-up", {"email": email}).status_code == 400


def test_a_page_of_another_origin_posts_nothing_without_the_token(
    running: RunningSystem,
) -> None:
    """A forged form has no token of a link, and the browser sends nothing that would help."""
    answer = httpx.post(
        f"{running.url}/account/reset-password",
        data={"new_password": PASSWORD, "token": "x" * 43},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 400

"""Superusers read auth-service's audit log, filter it and export it."""

import csv
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from tests.auth_stand_in import AuthStandIn, Refusal
from users.feed import apply_user_changes

pytestmark = pytest.mark.django_db
SignIn = Callable[..., tuple[Client, uuid.UUID]]
PAGE, EXPORT = "/admin/users/user/audit/", "/admin/users/user/audit/export/"
FORMULA = '=HYPERLINK("https://evil.example","open")'


@pytest.fixture
def alice(auth_service: AuthStandIn) -> str:
    """A customer, mirrored."""
    user_id = auth_service.add_user("alice", email="alice@example.com")
    apply_user_changes()
    return str(user_id)


@pytest.fixture
def log(auth_service: AuthStandIn) -> Callable[..., None]:
    """Let auth-service have one more event."""

    def add(action: str, **members: Any) -> None:
        event = {
            "id": len(auth_service.audit) + 1,
            "at": "2026-01-02T03:04:05Z",
            "actor_id": None,
            "source": "203.0.113.9",
            "action": action,
            "user_id": None,
            "detail": {},
        }
        auth_service.audit.append(event | members)

    return add


def sentences(client: Client, **query: str) -> list[str]:
    """The second column of the page, oldest event first, as text."""
    content = client.get(PAGE, query).content.decode()
    rows = re.findall(r'<td class="nowrap">[^<]*</td>\s*<td>(.*?)</td>', content, re.DOTALL)
    return rows[::-1]


def test_each_event_is_a_sentence(sign_in: SignIn, alice: str, log: Callable[..., None]) -> None:
    """A person reads who did what to whom; times, addresses and programs stand beside it."""
    client, boss = sign_in("second")
    by_boss = {"actor_id": str(boss), "user_id": alice}
    by_alice = {"actor_id": alice, "user_id": alice}
    log("login.granted", **by_alice, detail={"method": "second_factor", "user_agent": "Firefox"})
    log("login.refused", user_id=alice, detail={"reason": "wrong_password", "times": 7})
    log("login.refused", detail={"reason": "unknown_user", "times": 1})
    log("session.ended", **by_alice, detail={"reason": "others_ended", "sessions": 3})
    log("user.changed", **by_boss, detail={"is_staff": [False, True], "email": "changed"})
    log("user.password_set", **by_boss)
    log("user.password_set", **by_alice)
    log("user.created", user_id=alice, source="auth-service users")
    log("audit.exported", actor_id=str(boss), detail={"format": "csv", "filters": {"action": "x"}})
    log("something.new", user_id=alice)

    assert sentences(client) == [
        "alice logged in with a second factor.",
        "A log-in of alice was refused, 7 times: the password was wrong.",
        "A log-in with an unknown name was refused: no account has this name.",
        "alice ended 3 other sessions.",
        "second changed alice: staff no → yes, new e-mail address.",
        "second set a new password for alice.",
        "alice set a new password for their own account.",
        "“auth-service users” created the account alice.",
        "second exported this log as CSV (action x).",
        "something.new: alice.",
    ]
    content = client.get(PAGE).content.decode()
    assert all(word in content for word in ("2026-01-02 03:04:05", "203.0.113.9", "Firefox"))


def test_the_log_is_filtered_by_person_action_address_and_time(
    sign_in: SignIn, alice: str, log: Callable[..., None]
) -> None:
    """By name, address or id, without JavaScript; all filters together."""
    client, boss = sign_in("second")
    log("user.password_set", actor_id=str(boss), user_id=alice)
    log("user.deactivated", actor_id=str(boss), user_id=str(boss))
    log("user.sessions_ended", actor_id=alice, user_id=alice, source="198.51.100.1")
    log("user.created", user_id=alice, at="2026-03-01T00:00:00Z")
    password_set, deactivated, ended, created = sentences(client)

    assert sentences(client, user_id="Alice") == [password_set, ended, created]
    assert sentences(client, user_id="alice@example.com", actor_id="second") == [password_set]
    assert sentences(client, user_id=alice) == [password_set, ended, created]
    assert sentences(client, action="user.deactivated") == [deactivated]
    assert sentences(client, source="198.51.100.1") == [ended]
    assert sentences(client, since="2026-02-01T00:00") == [created]
    assert sentences(client, until="2026-02-01T00:00", action="user.created") == []


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"user_id": "no-one-of-this-name"}, "No user has this name, e-mail address or id."),
        ({"action": "x"}, "Select a valid choice."),
        ({"since": "yesterday"}, "Enter a valid date/time."),
    ],
)
def test_a_filter_that_cannot_be_used_shows_nothing(
    sign_in: SignIn, alice: str, log: Callable[..., None], query: dict[str, str], complaint: str
) -> None:
    """Not the whole log, which would look like the answer."""
    client, _ = sign_in("second")
    log("user.created", user_id=alice)

    page = client.get(PAGE, query)

    assert page.status_code == 200
    assert complaint in page.content.decode()
    assert "created the account" not in page.content.decode()


def test_older_events_are_a_link_that_keeps_the_filters(
    sign_in: SignIn, alice: str, log: Callable[..., None]
) -> None:
    """One page of a hundred after the other."""
    client, _ = sign_in("second")
    for number in range(250):
        log("user.password_set", user_id=alice, source=f"host {number}")
    log("user.created", user_id=alice)

    seen, address = 0, f"{PAGE}?user_id=alice&action=user.password_set"
    while address:
        content = client.get(address).content.decode()
        seen += content.count("set a new password")
        older = re.search(r'href="(\?[^"]*)">Older events', content)
        address = PAGE + older[1].replace("&amp;", "&") if older else ""

    assert seen == 250


def test_hostile_text_is_shown_as_text(
    sign_in: SignIn, alice: str, log: Callable[..., None]
) -> None:
    """A user agent is whatever a stranger sends."""
    client, _ = sign_in("second")
    log("login.refused", source="<b>", detail={"reason": "<i>", "user_agent": "<script>alert(1)"})

    content = client.get(PAGE).content.decode()

    assert "<script>alert(1)" not in content
    assert "&lt;script&gt;alert(1)" in content


def test_the_page_has_no_script_and_no_style_of_its_own(sign_in: SignIn) -> None:
    """It works without JavaScript and under a strict Content-Security-Policy."""
    client, _ = sign_in("second")
    content = client.get(PAGE).content.decode()
    main = content[content.index('id="content"') :]
    assert not re.search(r"<script(?! src)|<style|style=|\son[a-z]+=", main)


def _export(client: Client, kind: str, **filters: str) -> Any:
    return client.post(EXPORT, {"format": kind, **filters})


def _text(response: Any) -> str:
    chunks: Iterator[bytes] = response.streaming_content
    return b"".join(chunks).decode()


def test_an_export_as_csv(
    sign_in: SignIn, auth_service: AuthStandIn, alice: str, log: Callable[..., None]
) -> None:
    """Every event that matches, over several pages, readable by a spreadsheet."""
    client, boss = sign_in("second")
    for _ in range(1_100):
        log("user.password_set", user_id=alice, actor_id=str(boss))
    log("user.created", user_id=alice)

    response = _export(client, "csv", action="user.password_set", user_id="alice")

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="audit-log-[0-9T-]+Z\.csv"', response["Content-Disposition"]
    )
    assert "no-store" in response["Cache-Control"]
    rows = list(csv.DictReader(io.StringIO(_text(response))))
    assert len(rows) == 1_100
    assert len({row["id"] for row in rows}) == 1_100
    assert rows[0]["sentence"] == "second set a new password for alice."
    assert (rows[0]["user_id"], rows[0]["actor"]) == (alice, "second")
    assert auth_service.exports == [
        {"format": "csv", "filters": {"action": "user.password_set", "user_id": alice}}
    ]


def test_an_export_as_json_lines(
    sign_in: SignIn, auth_service: AuthStandIn, alice: str, log: Callable[..., None]
) -> None:
    """One object a line, with the detail as it is stored."""
    client, _ = sign_in("second")
    log("login.refused", user_id=alice, detail={"reason": "wrong_password", "times": 2})
    log("login.refused", detail={"reason": "unknown_user", "times": 1, "user_agent": FORMULA})

    lines = [json.loads(line) for line in _text(_export(client, "jsonl")).splitlines()]

    assert [line["detail"]["reason"] for line in lines] == ["unknown_user", "wrong_password"]
    assert lines[0]["user_agent"] == FORMULA
    assert lines[1]["user"] == "alice"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(sign_in: SignIn, log: Callable[..., None], start: str) -> None:
    """A spreadsheet would run what an attacker sent as a user agent or a name."""
    client, _ = sign_in("second")
    log("login.refused", source=f"{start}1", detail={"user_agent": f"{start}cmd|' /C calc'!A0"})

    (row,) = csv.DictReader(io.StringIO(_text(_export(client, "csv")), newline=""))

    assert row["user_agent"].startswith(f"'{start}")
    assert not [value for value in row.values() if value.startswith(start)]


def test_an_export_that_breaks_is_no_short_file(
    sign_in: SignIn, auth_service: AuthStandIn, alice: str, log: Callable[..., None]
) -> None:
    """The download fails, so no one takes the beginning for everything."""
    client, _ = sign_in("second")
    for _ in range(1_100):
        log("user.created", user_id=alice)
    auth_service.audit_fails_at = 3

    response = _export(client, "csv")

    with pytest.raises(Exception, match="unavailable"):
        _text(response)


def test_nothing_is_exported_that_is_not_recorded(
    sign_in: SignIn, auth_service: AuthStandIn, log: Callable[..., None]
) -> None:
    """While auth-service cannot record it, the page says so."""
    client, _ = sign_in("second")
    log("user.created")
    auth_service.refuse_next = Refusal(503, "unavailable")

    answer = client.post(EXPORT, {"format": "csv"}, follow=True)

    assert "service is temporarily unavailable." in answer.content.decode()
    assert auth_service.exports == []


def test_the_page_says_so_when_auth_service_is_unavailable(
    sign_in: SignIn, auth_service: AuthStandIn
) -> None:
    """It asks as the member of staff who reads."""
    client, second = sign_in("second")
    client.get(PAGE)
    asked = next(seen[2] for seen in auth_service.requests if seen[1] == "/internal/audit")
    assert asked["X-Actor-Id"] == str(second)

    auth_service.refuse_next = Refusal(503, "unavailable")
    assert "service is temporarily unavailable." in client.get(PAGE).content.decode()


def test_only_superusers_read_and_export(sign_in: SignIn, auth_service: AuthStandIn) -> None:
    """Staff alone is not enough, and a link cannot start an export."""
    clerk, _ = sign_in("clerk", is_superuser=False)
    assert clerk.get(PAGE).status_code == 403
    assert _export(clerk, "csv").status_code == 403

    boss, _ = sign_in("second")
    for answer in (boss.get(EXPORT, {"format": "csv"}), _export(boss, "xls")):
        assert (answer.status_code, answer["Location"]) == (302, PAGE)
    boss.handler.enforce_csrf_checks = True
    assert _export(boss, "csv").status_code == 403
    assert auth_service.exports == []

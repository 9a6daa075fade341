"""Events of auth-service's audit log in sentences, with names in place of ids."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from users.models import User

Event = Mapping[str, Any]

_REFUSALS = {
    "wrong_password": "the password was wrong",
    "inactive_user": "the account is deactivated",
    "too_many_attempts": "too many log-ins had failed before",
    "unknown_user": "no account has this name",
}
_WAYS_IN = {"second_factor": " with a second factor", "password_change": " with a new password"}
_FIELDS = {
    "is_active": "active",
    "is_staff": "staff",
    "is_superuser": "superuser",
    "username": "username",
    "email": "e-mail address",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One event as the page and the exports show it.

    Attributes:
        at: When it happened.
        sentence: What happened, in one sentence.
        user: Whose account, by name if it is known here.
        client: The address or service that it came from.
        user_agent: The program, as it described itself: anyone can write anything there.
    """

    event: Event
    at: datetime | None
    sentence: str
    actor: str
    user: str
    client: str
    user_agent: str


def rows_of(events: list[dict[str, Any]]) -> list[Row]:
    """Describe a page of events; one query finds all names."""
    mentioned = (event[field] for event in events for field in ("actor_id", "user_id"))
    ids = {user_id for user_id in mentioned if user_id}
    names = {str(user.id): user.username for user in User.objects.filter(id__in=ids)}
    return [_row(event, names) for event in events]


def _row(event: Event, names: Mapping[str, str]) -> Row:
    actor_id, user_id = event["actor_id"] or "", event["user_id"] or ""
    actor = names.get(actor_id, actor_id)
    user = names.get(user_id, user_id)
    describe = _SENTENCES.get(event["action"])
    sentence = (
        describe(actor or f"“{event['source']}”", _owner(actor_id, user_id, user), event["detail"])
        if describe
        else f"{event['action']}: {user or actor or event['source']}."
    )
    return Row(
        event=event,
        at=parse_datetime(event["at"]),
        sentence=sentence,
        actor=actor,
        user=user,
        client=event["source"],
        user_agent=str(event["detail"].get("user_agent", "")),
    )


def _owner(actor_id: str, user_id: str, user: str) -> str:
    return "their own account" if user_id and actor_id == user_id else user


def _refused(_actor: str, user: str, detail: Event) -> str:
    reason = _REFUSALS.get(str(detail.get("reason")), str(detail.get("reason")))
    whose = f"A log-in of {user}" if user else "A log-in with an unknown name"
    times = detail.get("times", 1)
    repeated = f", {times} times" if times != 1 else ""
    return f"{whose} was refused{repeated}: {reason}."


def _ended(actor: str, user: str, detail: Event) -> str:
    reason, count = detail.get("reason"), detail.get("sessions", 1)
    if reason == "log_out":
        return f"{actor} logged out."
    if reason == "others_ended":
        return f"{actor} ended {count} other session{'s' if count != 1 else ''}."
    if reason == "too_many":
        return f"The session of {_plain(user, actor)} that was unused the longest was ended."
    if reason == "ended":
        return f"{actor} ended one of their sessions."
    return f"A session of {_plain(user, actor)} was ended ({reason})."


def _changed(actor: str, user: str, detail: Event) -> str:
    changes = [_change(name, value) for name, value in detail.items() if name in _FIELDS]
    return f"{actor} changed {user}: {', '.join(changes)}."


def _change(name: str, value: Any) -> str:
    if isinstance(value, list):
        before, after = ("yes" if each else "no" for each in value)
        return f"{_FIELDS[name]} {before} → {after}"
    return f"new {_FIELDS[name]}"


def _plain(user: str, actor: str) -> str:
    return actor if user == "their own account" else user


def _simply(template: str) -> Callable[[str, str, Event], str]:
    return lambda actor, user, _detail: template.format(
        actor=actor, user=user, account=_plain(user, actor)
    )


# What staff read, by action. An action that is missing here is shown by its name.
_SENTENCES: Mapping[str, Callable[[str, str, Event], str]] = {
    "login.granted": lambda actor, _user, detail: (
        f"{actor} logged in{_WAYS_IN.get(str(detail.get('method')), '')}."
    ),
    "login.refused": _refused,
    "session.ended": _ended,
    "refresh.replayed": _simply(
        "A used refresh token of {account} was sent again, so the session was ended."
    ),
    "second_factor.enabled": _simply("{actor} enabled a second factor for {user}."),
    "second_factor.disabled": _simply("{actor} disabled the second factor of {user}."),
    "second_factor.reset": _simply("{actor} reset the second factor of {user}."),
    "second_factor.refused": _simply("A wrong code was sent for {account}."),
    "second_factor.recovery_code_used": _simply("{actor} used a recovery code."),
    "second_factor.recovery_codes_replaced": _simply(
        "{actor} replaced the recovery codes of {user}."
    ),
    "user.created": _simply("{actor} created the account {account}."),
    "user.changed": _changed,
    "user.deactivated": _simply("{actor} deactivated {user}."),
    "user.deleted": _simply("{actor} deleted the account {account}."),
    "user.password_set": _simply("{actor} set a new password for {user}."),
    "user.password_reset": _simply("{account} reset a forgotten password by e-mail."),
    "user.email_verified": _simply("{account} confirmed an e-mail address."),
    "user.invited": _simply("{actor} sent an invitation to sign up."),
    "user.sessions_ended": _simply("{actor} ended all sessions of {user}."),
    "users.imported": lambda actor, _user, detail: (
        f"{actor} imported {detail.get('accounts')} accounts."
    ),
    "audit.exported": lambda actor, _user, detail: (
        f"{actor} exported this log as {str(detail.get('format', '')).upper()}{_by(detail)}."
    ),
}
ACTIONS = tuple(sorted(_SENTENCES))


def _by(detail: Event) -> str:
    filters: Iterable[tuple[str, Any]] = dict(detail.get("filters") or {}).items()
    named = ", ".join(f"{name} {value}" for name, value in filters)
    return f" ({named})" if named else ""

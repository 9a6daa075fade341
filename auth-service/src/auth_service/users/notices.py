"""Mails that report to users what happened to their accounts, so that an intruder is noticed."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection

from auth_service.mail import outbox

PASSWORD_CHANGED = "password_changed"  # noqa: S105 # the name of a mail
EMAIL_CHANGED = "email_changed"
SECOND_FACTOR_ADDED = "second_factor_added"
SECOND_FACTOR_REMOVED = "second_factor_removed"
RECOVERY_CODE_USED = "recovery_code_used"
RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
UNKNOWN_NETWORK = "unknown_network"


class _Reported(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def username(self) -> str: ...
    @property
    def email(self) -> str: ...


def send(
    connection: Connection, user: _Reported, notice: str, *, now: datetime, network: str = ""
) -> None:
    """Write a notice, in the transaction of what it reports. A user without address gets none.

    Args:
        connection: That transaction.
        user: As it was before the change: a notice of a new address goes to the old one.
        notice: One of the names above.
        now: When it happened.
        network: Where a log-in came from: an IPv4 address or the network of an IPv6 address.
    """
    if not user.email:
        return
    context = {"username": user.username, "at": as_text(now), "network": network}
    outbox.enqueue(
        connection, notice, recipient=user.email, now=now, context=context, user_id=user.id
    )


def as_text(moment: datetime) -> str:
    """Return a time for people, in UTC."""
    return f"{moment:%-d %B %Y, %H:%M} UTC"

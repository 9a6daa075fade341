"""`auth-service mail`: what operators ask when mails do not arrive."""

import asyncio
import json

import click

from auth_service.clock import utc_now
from auth_service.commands.context import Refused, database, settings_or_exit
from auth_service.mail import outbox
from auth_service.mail.outbox import Mail
from auth_service.mail.rendering import Composer
from auth_service.mail.smtp import NotSent
from auth_service.mail.smtp import Refused as RefusedByServer

_MOST = 500


@click.group()
def mail() -> None:
    """List the mails, send one to yourself, send again what waits."""


@mail.command("list")
@click.option("--unsent", is_flag=True, help="Only mails that wait or were given up.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_mails(*, unsent: bool, as_json: bool) -> None:
    """List the mails of the last week, newest first: id, time, state, recipient, last answer."""
    with database() as engine, engine.begin() as connection:
        for row in outbox.latest(connection, limit=_MOST, unsent=unsent):
            click.echo(_json_line(row) if as_json else _line(row))


@mail.command("test")
@click.argument("address")
def send_test(*, address: str) -> None:
    """Send a mail at once, and print what the mail server answers."""
    settings = settings_or_exit()
    if settings.smtp is None:
        raise Refused("SMTP_URL is not set.")
    composer = Composer(sender=settings.mail_from, app_name=settings.app_name)
    row = outbox.unsaved("test", recipient=address, now=utc_now())
    try:
        message = composer.compose(row, link=None)
    except ValueError as error:
        raise click.UsageError(f"{address!r} is not an address.") from error
    sending = settings.smtp.send(message, sender=settings.mail_from.addr_spec, recipient=address)
    try:
        asyncio.run(sending)
    except (NotSent, RefusedByServer) as error:
        raise Refused(f"{settings.smtp.host} did not accept it: {error}") from error
    click.echo(f"{settings.smtp.host} has accepted it. Message-ID: {message['Message-ID']}")


@mail.command()
def retry() -> None:
    """Make all mails due that wait, and those of the last day that were given up."""
    with database() as engine, engine.begin() as connection:
        count = outbox.retry(connection, now=utc_now())
    click.echo(f"{count} mails are due. `auth-service worker` sends them.")


def _state(row: Mail) -> str:
    if row.sent_at:
        return "sent"
    return "waiting" if row.next_attempt_at else "given up"


def _line(row: Mail) -> str:
    at = row.created_at.isoformat(timespec="seconds")
    return f"{row.id}  {at}  {_state(row)}  {row.template}  {row.recipient}  {row.last_error or ''}"


def _json_line(row: Mail) -> str:
    return json.dumps(
        {
            "id": str(row.id),
            "created_at": row.created_at.isoformat(),
            "state": _state(row),
            "template": row.template,
            "recipient": row.recipient,
            "attempts": row.attempts,
            "last_error": row.last_error,
        }
    )

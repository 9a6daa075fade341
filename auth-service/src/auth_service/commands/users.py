"""`auth-service users`: accounts, for the first superuser and for emergencies."""

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import click
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Engine

from auth_service.audit import Origin
from auth_service.clock import utc_now
from auth_service.commands.context import Refused, database, settings_or_exit
from auth_service.commands.users_import import import_users
from auth_service.passwords.breaches import Lookup, look_up
from auth_service.passwords.hashing import hash_password
from auth_service.passwords.policy import IN_A_BREACH, objections_to
from auth_service.schemas import Email, MailAddress, Username, UserOut
from auth_service.tokens.one_time import OneTimeTokens
from auth_service.users import accounts, changes
from auth_service.users.account_requests import Answers, SignUp
from auth_service.users.accounts import User

_ORIGIN = Origin(client="auth-service users")
_PAGE_SIZE = 500

_password_from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, for scripts."
)


@click.group()
def users() -> None:
    """Create a superuser, import, set a password, reset a second factor, deactivate or list."""


users.add_command(import_users)


@users.command("create-admin")
@click.argument("username")
@click.option("--email", default="", help="Optional.")
@_password_from_stdin
def create_admin(*, username: str, email: str, password_stdin: bool) -> None:
    """Create a superuser. Asks for the password."""
    username = _validate(Username, username)
    with database() as engine:
        password_hash = _ask_for_hash(username, email=email, from_stdin=password_stdin)
        new = changes.NewUser(
            username=username, email=_validate(Email, email), is_staff=True, is_superuser=True
        )
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            created = changes.create(change, new, password_hash=password_hash)
    click.echo(f"Created the superuser {created.username} ({created.id}).")


@users.command("set-password")
@click.argument("username")
@_password_from_stdin
def set_password(*, username: str, password_stdin: bool) -> None:
    """Set an account's password and log it out everywhere. Asks for the password."""
    with database() as engine:
        user = _find(engine, username)
        password_hash = _ask_for_hash(user.username, email=user.email, from_stdin=password_stdin)
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            changes.set_password(change, user.id, password_hash=password_hash)
    click.echo(f"Set the password of {username} and revoked the account's tokens.")


@users.command()
@click.argument("username")
def deactivate(*, username: str) -> None:
    """Deactivate an account and revoke its tokens."""
    with database() as engine:
        user_id = _find(engine, username).id
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            changes.deactivate(change, user_id)
    click.echo(f"Deactivated {username}.")


@users.command("reset-second-factor")
@click.argument("username")
def reset_second_factor(*, username: str) -> None:
    """Remove the second factor of a user who has lost it, and log the account out everywhere."""
    with database() as engine:
        user_id = _find(engine, username).id
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            changes.reset_second_factor(change, user_id)
    click.echo(f"{username} has no second factor any more, and the account's tokens are revoked.")


@users.command()
@click.argument("email")
def invite(*, email: str) -> None:
    """Send a link to sign up, which is good for seven days. Needs SIGNUP=invite or open."""
    settings = settings_or_exit()
    if settings.sign_up is SignUp.CLOSED:
        raise Refused("SIGNUP is closed. Set it to invite or open, here and for the service.")
    email = _validate(MailAddress, email)
    answers = Answers(tokens=OneTimeTokens(secret=settings.derive_secret("one-time tokens")))
    with database() as engine, engine.begin() as connection:
        answers.invite(connection, email, origin=_ORIGIN, now=utc_now())
    click.echo(f"Invited {email}. `auth-service worker` sends the mail.")


@users.command("list")
@click.option("--search", default="", help="Part of a username or email address.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_users(*, search: str, as_json: bool) -> None:
    """List accounts: id, username, rights, last log-in."""
    with database() as engine, engine.connect() as connection:
        for user in _all(connection, search=search):
            click.echo(_json_line(user) if as_json else _line(user))


def _validate(kind: Any, value: str) -> str:
    try:
        valid: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        sentence = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.UsageError(f"{value!r} is not valid: {sentence}.") from error
    return valid


def _ask_for_hash(username: str, *, email: str, from_stdin: bool) -> str:
    settings = settings_or_exit()
    password: str = (
        sys.stdin.readline().rstrip("\r\n")
        if from_stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    objections = objections_to(password, username=username, email=email, app_name=settings.app_name)
    url = settings.password_breach_lookup_url
    if not objections and url and asyncio.run(look_up(password, url=url)) is Lookup.LISTED:
        objections = [IN_A_BREACH]
    if objections:
        raise Refused(" ".join(objection.sentence for objection in objections))
    return hash_password(password)


def _find(engine: Engine, username: str) -> User:
    with engine.connect() as connection:
        found = accounts.find_with_hash(connection, username)
    if found is None:
        raise Refused(f"There is no user {username}.")
    user, _ = found
    return user


def _all(connection: Connection, *, search: str) -> Iterator[User]:
    after: UUID | None = None
    while page := accounts.page(connection, search=search, after=after, limit=_PAGE_SIZE):
        yield from page
        after = page[-1].id


def _line(user: User) -> str:
    rights = [name for name in ("active", "staff", "superuser") if getattr(user, f"is_{name}")]
    last = user.last_login_at.isoformat(timespec="seconds") if user.last_login_at else "never"
    return f"{user.id}  {user.username}  {','.join(rights) or 'inactive'}  {last}"


def _json_line(user: User) -> str:
    return json.dumps(UserOut.model_validate(user).model_dump(mode="json"))

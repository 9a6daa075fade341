"""`auth-service users`: accounts from the command line, for the first admin and for emergencies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import click
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from auth_service.audit import Origin
from auth_service.clock import utc_now
from auth_service.commands.context import complain, settings_or_exit
from auth_service.database import UNDEFINED, UNMIGRATED, lacks_schema, open_engine
from auth_service.errors import AuthError
from auth_service.passwords.hashing import hash_password
from auth_service.passwords.policy import objections_to
from auth_service.schemas import Email, Username
from auth_service.users import accounts, changes
from auth_service.users.accounts import User

_ORIGIN = Origin(source="auth-service users")
_PAGE = 500

_from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, for scripts."
)


@click.group()
def users() -> None:
    """Accounts: create an admin, set a password, deactivate, list."""


@users.command("create-admin")
@click.argument("username")
@click.option("--email", default="", help="Optional.")
@_from_stdin
def create_admin(*, username: str, email: str, password_stdin: bool) -> None:
    """Create a superuser; asks for the password."""
    username = _checked(Username, username)
    with _engine() as engine:
        password_hash = _ask_hash(username, from_stdin=password_stdin)
        new = changes.NewUser(
            username=username, email=_checked(Email, email), is_staff=True, is_superuser=True
        )
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            created = changes.create(change, new, password_hash=password_hash)
    click.echo(f"Created the superuser {created.username} ({created.id}).")


@users.command("set-password")
@click.argument("username")
@_from_stdin
def set_password(*, username: str, password_stdin: bool) -> None:
    """Set an account's password and end its sessions; asks for the password."""
    with _engine() as engine:
        user_id = _id_of(engine, username)
        password_hash = _ask_hash(username, from_stdin=password_stdin)
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            changes.set_password(change, user_id, password_hash=password_hash)
    click.echo(f"Set the password of {username} and ended its sessions.")


@users.command()
@click.argument("username")
def deactivate(*, username: str) -> None:
    """End an account's log-ins, sessions and tokens."""
    with _engine() as engine:
        user_id = _id_of(engine, username)
        with changes.change(engine, origin=_ORIGIN, now=utc_now()) as change:
            changes.deactivate(change, user_id)
    click.echo(f"Deactivated {username}.")


@users.command("list")
@click.option("--search", default="", help="Part of a username or e-mail address.")
def list_users(*, search: str) -> None:
    """List accounts, one a line: id, name, rights, last log-in."""
    with _engine() as engine, engine.connect() as connection:
        for user in _all(connection, search=search):
            click.echo(_line(user))


@contextmanager
def _engine() -> Iterator[Engine]:
    engine = open_engine(settings_or_exit().database_url)
    try:
        yield engine
    except AuthError as error:
        complain(error.detail)
    except OperationalError as error:
        complain(f"The database cannot be reached: {str(error.orig).strip()}")
    except (ProgrammingError, *UNDEFINED) as error:
        if not lacks_schema(error):
            raise
        complain(UNMIGRATED)
    finally:
        engine.dispose()


def _checked(kind: Any, value: str) -> str:
    try:
        checked: str = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        complain(f"{value}: {error.errors()[0]['msg'].removeprefix('Value error, ')}.")
    return checked


def _ask_hash(username: str, *, from_stdin: bool) -> str:
    password: str = (
        sys.stdin.readline().rstrip("\r\n")
        if from_stdin
        else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    if objections := objections_to(password, username=username):
        complain(" ".join(objection.sentence for objection in objections))
    return hash_password(password)


def _id_of(engine: Engine, username: str) -> UUID:
    with engine.connect() as connection:
        found = accounts.find_with_hash(connection, username)
    if found is None:
        complain(f"There is no user {username}.")
    return found[0].id


def _all(connection: Connection, *, search: str) -> Iterator[User]:
    after: UUID | None = None
    while page := accounts.page(connection, search=search, after=after, limit=_PAGE):
        yield from page
        after = page[-1].id


def _line(user: User) -> str:
    rights = [name for name in ("active", "staff", "superuser") if getattr(user, f"is_{name}")]
    last = user.last_login_at.isoformat(timespec="seconds") if user.last_login_at else "never"
    return f"{user.id}  {user.username}  {','.join(rights) or 'inactive'}  {last}"

"""The demo superuser. Its password is public, so it may exist in `local` only."""

from datetime import datetime

from sqlalchemy import Connection, Engine, exists, or_, select

from auth_service.audit import Origin
from auth_service.errors import UsernameTaken
from auth_service.passwords.hashing import hash_password, verify_password
from auth_service.passwords.policy import DEMO_PASSWORD
from auth_service.tables import users
from auth_service.usernames import fold_username
from auth_service.users import changes

USERNAME = "admin"
PASSWORD = DEMO_PASSWORD


class DemoAccountInUse(Exception):
    """A staff account has the password from the README; the message says which and what to do."""


def create_superuser(engine: Engine, *, now: datetime) -> bool:
    """Create the demo superuser if the database has no user at all.

    Returns:
        Whether it was created.
    """
    with engine.connect() as connection:
        if connection.execute(select(exists().select_from(users))).scalar_one():
            return False
    new = changes.NewUser(username=USERNAME, is_staff=True, is_superuser=True)
    password_hash = hash_password(PASSWORD)
    origin = Origin(client="auth-service migrate")
    try:
        with changes.change(engine, origin=origin, now=now) as change:
            changes.create(change, new, password_hash=password_hash)
    except UsernameTaken:
        # Another process migrated at the same time.
        return False
    return True


def refuse_demo_password(connection: Connection) -> None:
    """Check that no staff account or superuser has the demo password.

    Computes one hash for each of them, so call it when the service starts, not in a request.

    Raises:
        DemoAccountInUse: The message names the account and the command that sets a password.
    """
    query = select(users.c.username, users.c.password_hash).where(
        or_(
            users.c.is_staff, users.c.is_superuser, users.c.username_key == fold_username(USERNAME)
        ),
        users.c.is_active,
        users.c.deleted_at.is_(None),
    )
    for row in connection.execute(query):
        if verify_password(PASSWORD, password_hash=row.password_hash):
            raise DemoAccountInUse(
                f"The account {row.username} has the demo password. "
                f"Run `auth-service users set-password {row.username}`."
            )

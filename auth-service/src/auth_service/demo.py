"""The demo superuser: everybody knows its password, so it may exist on a laptop alone."""

from datetime import datetime

from sqlalchemy import Connection, Engine, exists, or_, select

from auth_service.audit import Origin
from auth_service.errors import UsernameTaken
from auth_service.passwords.hashing import hash_password, verify_password
from auth_service.passwords.login_throttle import normalised
from auth_service.passwords.policy import DEMO_PASSWORD
from auth_service.tables import users
from auth_service.users import changes

USERNAME = "admin"
PASSWORD = DEMO_PASSWORD


class DemoAccountInUse(Exception):
    """An account with power can be entered with the password from the README."""


def create_superuser(engine: Engine, *, now: datetime) -> bool:
    """Create the demo superuser in a database without any user; say whether it was created."""
    with engine.connect() as connection:
        if connection.execute(select(exists().select_from(users))).scalar_one():
            return False
    new = changes.NewUser(username=USERNAME, is_staff=True, is_superuser=True)
    password_hash = hash_password(PASSWORD)
    origin = Origin(source="auth-service migrate")
    try:
        with changes.change(engine, origin=origin, now=now) as change:
            changes.create(change, new, password_hash=password_hash)
    except UsernameTaken:
        # Another process migrated at the same moment.
        return False
    return True


def refuse_demo_password(connection: Connection) -> None:
    """Make sure that no account with power has the demo password.

    Costs one hash for every account with power, so it belongs to the start, not to a request.

    Raises:
        DemoAccountInUse: Names the account and the command that mends it.
    """
    query = select(users.c.username, users.c.password_hash).where(
        or_(users.c.is_staff, users.c.is_superuser, users.c.username_key == normalised(USERNAME)),
        users.c.is_active,
        users.c.deleted_at.is_(None),
    )
    for row in connection.execute(query):
        if verify_password(PASSWORD, password_hash=row.password_hash):
            raise DemoAccountInUse(
                f"The account {row.username} has the demo password; "
                f"run `auth-service users set-password {row.username}`."
            )

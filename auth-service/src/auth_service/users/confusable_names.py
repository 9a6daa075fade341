"""New usernames that people would take for another user's are refused.

Names of before stay, and a name is compared when it is chosen alone. So a user whose name became
confusable goes on as before.
"""

from uuid import UUID

from sqlalchemy import Connection, Engine, exists, select

from auth_service import queries
from auth_service.errors import UsernameConfusable
from auth_service.tables import users
from auth_service.usernames import fold_username, mixes_scripts, skeleton

_BATCH_SIZE = 1000


def skeleton_of_new(connection: Connection, username: str, *, user_id: UUID | None = None) -> str:
    """Return what a new username is compared by, in a change.

    Args:
        connection: The change's, whose lock keeps others from choosing a name meanwhile.
        username: The name to take.
        user_id: Who renames their account; None for a new one.

    Raises:
        UsernameConfusable: It looks like another user's, or mixes scripts.
    """
    if mixes_scripts(username):
        raise UsernameConfusable("Use letters of one alphabet")
    found = skeleton(username)
    # The same name in another spelling is refused as taken, by its unique index.
    others = select(users.c.id).where(
        users.c.username_skeleton == found,
        users.c.username_key != fold_username(username),
        users.c.id != user_id,
    )
    if connection.execute(select(exists(others))).scalar_one():
        raise UsernameConfusable("Choose a name that does not look like another user's")
    return found


def fill_skeletons(engine: Engine) -> int:
    """Compute what names are compared by where it is missing, in small transactions.

    Missing in accounts of the release before, also in those that it creates while a new one is
    rolled out.

    Returns:
        How many were filled in.
    """
    filled, after = 0, UUID(int=0)
    while True:
        with engine.begin() as connection:
            batch = connection.execute(
                select(users.c.id, users.c.username)
                .where(
                    users.c.id > after,
                    users.c.username_skeleton.is_(None),
                    users.c.deleted_at.is_(None),
                )
                .order_by(users.c.id)
                .limit(_BATCH_SIZE)
            ).all()
            if not batch:
                return filled
            queries.fill_skeletons(
                connection, {row.id: (row.username, skeleton(row.username)) for row in batch}
            )
        filled, after = filled + len(batch), batch[-1].id

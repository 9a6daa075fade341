"""Times a web process's look at the feed after an import, inside billing-service's interpreter.

Run from billing-service with its interpreter: `python feed_look.py USERS ROUNDS`. Stores one new
user as the feed brings them, and copies of that row. Prints the CPU seconds of each look as JSON.
"""

import json
import os
import sys
import time
import uuid


def main(users: int, rounds: int) -> None:
    """Import so many users, then look as often as a web process with an empty memory does."""
    sys.path.insert(0, os.getcwd())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from identity.revocation import REVOCATIONS
    from users.mirror import apply_user
    from users.watch import look

    user_id = uuid.uuid4()
    apply_user(
        {
            "id": str(user_id),
            "username": "imported",
            "email": "imported@example.com",
            "is_active": True,
            "is_staff": False,
            "is_superuser": False,
            "auth_epoch": 1,
            "version": 1,
        }
    )
    _copy(user_id, users)
    taken = []
    for _ in range(rounds):
        REVOCATIONS.clear()
        started = time.process_time()
        look()
        taken.append(time.process_time() - started)
    print(json.dumps(taken))


def _copy(user_id: uuid.UUID, users: int) -> None:
    from django.db import connection
    from users.models import User

    own = {"id": "gen_random_uuid()", "username": "username || n"}
    columns = [field.column for field in User._meta.concrete_fields]
    values = ", ".join(own.get(column, column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO users_user ({', '.join(columns)}) SELECT {values} "  # noqa: S608 # columns
            "FROM users_user, generate_series(1, %s) AS n WHERE id = %s",
            [users, user_id],
        )
        cursor.execute("ANALYZE users_user")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

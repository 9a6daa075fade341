"""The only writer of mirror rows: what auth-service says about a user, and nothing else."""

from uuid import UUID

from users.models import User


def mirror_user(user_id: UUID) -> User:
    """Return the user's mirror row, making a bare one if the feed has not brought it yet.

    An access token proves the id and nothing more, so the bare row carries a parked name until
    the feed delivers the real one. Two requests at once make one row.

    Args:
        user_id: The verified token's subject.
    """
    User.objects.bulk_create(
        [User(id=user_id, username=parked_username(user_id))], ignore_conflicts=True
    )
    return User.objects.get(id=user_id)


def parked_username(user_id: UUID) -> str:
    """Name a row whose real username is unknown or has passed to somebody else."""
    return f"user-{user_id}"

"""The only writer of our copy of auth-service's users."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from identity.revocation import Revocation
from users.models import User

# The epoch auth-service gives a new account; it only grows.
FIRST_AUTH_EPOCH = 1


def mirror_user(user_id: UUID) -> None:
    """Make sure that the user has a row, a bare one if the feed has not brought it yet.

    An access token proves the id and nothing more, so the bare row carries a parked name until
    the feed delivers the real one. Two requests at once make one row.

    Args:
        user_id: The verified token's subject.
    """
    row = User(id=user_id, username=parked_username(user_id))
    User.objects.bulk_create([row], ignore_conflicts=True)


@transaction.atomic
def apply_user(document: Mapping[str, Any]) -> User:
    """Store what auth-service said about a user, unless a newer version is stored.

    Args:
        document: A user as the internal API describes it.
    """
    user = _locked_row(UUID(document["id"]))
    if user.anonymised_at is not None or document["version"] < user.version:
        return user
    _park_holder_of(document["username"], besides=user.id)
    auth_epoch, is_active = int(document["auth_epoch"]), bool(document["is_active"])
    # What a row that the feed has not filled yet stands for: no token of another state was issued.
    known_epoch = user.auth_epoch or FIRST_AUTH_EPOCH
    if user.version > 0:
        # The epoch only grows: a slow log-in answer must not bring revoked tokens back to life.
        auth_epoch = max(user.auth_epoch, auth_epoch)
    if auth_epoch != known_epoch or is_active != user.is_active:
        user.tokens_revoked_at = timezone.now()
    for name in ("username", "email", "is_active", "is_staff", "is_superuser", "version"):
        setattr(user, name, document[name])
    user.auth_epoch = auth_epoch
    user.created_at = _time(document.get("created_at"))
    user.save()
    return user


@transaction.atomic
def apply_deletion(user_id: UUID) -> User:
    """Mark a user whom auth-service has deleted; `backoffice.user_deletion` does the rest."""
    user = _locked_row(user_id)
    if user.deletion_requested_at is None:
        user.deletion_requested_at = timezone.now()
    if user.is_active:
        user.is_active = False
        user.tokens_revoked_at = timezone.now()
    user.save()
    return user


def forget_versions() -> None:
    """Let whatever auth-service says next count, its epochs included, as if nothing was heard yet.

    Else the tokens of a restored, lower epoch would be refused and its next steps overlooked.
    """
    User.objects.update(version=0)


def resume_deletion(user_id: UUID) -> None:
    """Mark a deleted user who exists again, after auth-service was restored, for deletion."""
    User.objects.filter(id=user_id).update(anonymised_at=None)


@transaction.atomic
def anonymise(user_id: UUID) -> None:
    """Remove personal data from the row and from the admin's log about it.

    Rows that refer to it stay as they are.
    """
    now = timezone.now()
    User.objects.filter(id=user_id).update(
        username=anonymous_username(user_id),
        email="",
        is_active=False,
        is_staff=False,
        is_superuser=False,
        tokens_revoked_at=now,
        anonymised_at=now,
    )
    # Its messages name fields, never what stood in them.
    LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(User), object_id=str(user_id)
    ).update(object_repr=anonymous_username(user_id))


def revocations_since(moment: datetime) -> list[Revocation]:
    """Return whose tokens were revoked after a moment, oldest first."""
    rows = User.objects.filter(tokens_revoked_at__gt=moment).order_by("tokens_revoked_at")
    # No token of an inactive user is good, so the epoch to wait for is the one after its own.
    return [
        Revocation(user_id, auth_epoch if is_active else auth_epoch + 1, revoked_at)
        for user_id, auth_epoch, is_active, revoked_at in rows.values_list(
            "id", "auth_epoch", "is_active", "tokens_revoked_at"
        )
        if revoked_at is not None
    ]


def parked_username(user_id: UUID) -> str:
    """Return the username of a row whose real one is unknown or has passed to another user."""
    # auth-service accepts no colon in a username, so no user can have this one or the next.
    return f"user:{user_id}"


def anonymous_username(user_id: UUID) -> str:
    """Return the username of a deleted user's row."""
    return f"deleted:{user_id}"


def _locked_row(user_id: UUID) -> User:
    mirror_user(user_id)
    return User.objects.select_for_update().get(id=user_id)


def _park_holder_of(username: str, *, besides: UUID) -> None:
    # A rename plus a reuse of the old name reaches us in one batch and in any order. The parked
    # row gets its own new name when its change arrives: at auth-service it has one already.
    for holder in User.objects.filter(username=username).exclude(id=besides):
        User.objects.filter(id=holder.id, username=username).update(
            username=parked_username(holder.id)
        )


def _time(value: str | None) -> datetime | None:
    return parse_datetime(value) if value else None

"""Our copy of auth-service's users: same ids, no passwords."""

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac


class UserState(models.TextChoices):
    """Whether a user is active, deactivated or deleted."""

    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Deactivated"
    DELETION_PENDING = "deletion_pending", "Deletion pending"
    DELETED = "deleted", "Deleted"


class User(AbstractBaseUser, PermissionsMixin):
    """One of auth-service's users, as last received from there.

    auth-service owns them. Only `users.mirror` writes these fields, except groups and
    permissions, which exist here alone.
    """

    # No column: this service must never be able to hold a password hash.
    password = None  # type: ignore[assignment]

    id = models.UUIDField(primary_key=True, editable=False)
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    auth_epoch = models.PositiveBigIntegerField(default=0, editable=False)
    version = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(null=True, editable=False)
    # When older access tokens became invalid: the epoch grew, or the account was deactivated.
    tokens_revoked_at = models.DateTimeField(null=True, editable=False, db_index=True)

    deletion_requested_at = models.DateTimeField(null=True, editable=False)
    # For auth-service's audit log, since the worker may finish it. Empty: auth-service itself.
    deletion_requested_by = models.UUIDField(null=True, editable=False)
    deletion_requested_from = models.CharField(
        max_length=64, blank=True, db_default="", editable=False
    )
    anonymised_at = models.DateTimeField(null=True, editable=False)

    objects = BaseUserManager["User"]()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("username",)

    def __str__(self) -> str:
        return self.username

    @property
    def state(self) -> UserState:
        """Whether the user is active, deactivated or deleted."""
        if self.anonymised_at is not None:
            return UserState.DELETED
        if self.deletion_requested_at is not None:
            return UserState.DELETION_PENDING
        return UserState.ACTIVE if self.is_active else UserState.INACTIVE

    def has_usable_password(self) -> bool:
        """Say yes: auth-service has it. The admin then links to the page that changes it."""
        return True

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django hashes the password here. Ours changes with everything that must end a session:
        # a new password or log-out everywhere (the epoch), deactivation, promotion, demotion.
        state = (self.auth_epoch, self.is_active, self.is_staff, self.is_superuser)
        return salted_hmac("users.User.session", repr(state), secret=secret).hexdigest()


class FeedPosition(models.Model):
    """How far the user-changes feed was read; there is one row."""

    SINGLE_ROW_ID = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=SINGLE_ROW_ID, editable=False)
    after = models.PositiveBigIntegerField(default=0)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="users_feedposition_single_row"),
        )

    def __str__(self) -> str:
        return f"after {self.after}, read at {self.read_at}"

"""Users in the admin: shown from the mirror, written to auth-service first."""

from users.admin import groups, user

__all__ = ["groups", "user"]

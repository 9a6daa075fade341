"""Users in the admin: shown from the mirror, written to auth-service first."""

from backoffice.users import groups, user

__all__ = ["groups", "user"]

"""Who is calling: from an Authorization header to a verified user."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class VerifiedUser:
    """The caller, as a verified access token names them; no database row was read.

    Whoever needs a foreign key to the user calls `users.mirror.mirror_user(user.id)`.
    """

    id: UUID
    is_staff: bool
    is_superuser: bool

    is_authenticated = True
    is_anonymous = False
    is_active = True

    @property
    def pk(self) -> UUID:
        """The id, under the name Django's own code asks for."""
        return self.id

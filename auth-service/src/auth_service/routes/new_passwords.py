"""New passwords in requests: checked against the rules, then hashed in their turn."""

from functools import partial

from auth_service.errors import ValidationFailed
from auth_service.passwords.hashing import hash_password
from auth_service.passwords.policy import objections_to
from auth_service.routes.dependencies import Parts


async def acceptable_hash(
    parts: Parts, password: str, *, username: str, field: str = "new_password"
) -> str:
    """Hash a new password, if the rules allow it.

    Args:
        parts: Where the hashing slot is.
        password: As typed.
        username: Of the account it is for.
        field: The request's member that held it, to be named in a refusal.

    Raises:
        ValidationFailed: Too short, too long, too common.
        Overloaded: Too many are hashing at once.
    """
    if objections := objections_to(password, username=username):
        raise ValidationFailed(
            {field: [objection.sentence for objection in objections]},
            error_codes={field: [objection.code for objection in objections]},
        )
    async with parts.slot.occupied():
        return await parts.slot.run(partial(hash_password, password))

"""New passwords in requests: checked against the policy, then hashed."""

from functools import partial

from auth_service.errors import ValidationFailed
from auth_service.passwords.hashing import hash_password
from auth_service.passwords.policy import objections_to
from auth_service.routes.dependencies import AppState


async def hash_new_password(
    state: AppState, password: str, *, username: str, field: str = "new_password"
) -> str:
    """Check a new password and return its hash.

    Args:
        state: With the hashing slot.
        field: The name of the request's field, for the error.

    Raises:
        ValidationFailed: The policy does not accept the password.
        Overloaded: Too many hashes are waiting.
    """
    if objections := objections_to(password, username=username):
        raise ValidationFailed(
            {field: [objection.sentence for objection in objections]},
            error_codes={field: [objection.code for objection in objections]},
        )
    async with state.slot.occupied():
        return await state.slot.run(partial(hash_password, password))

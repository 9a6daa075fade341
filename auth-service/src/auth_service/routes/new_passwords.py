"""New passwords in requests: checked against the policy, then hashed."""

from functools import partial

from auth_service.errors import ValidationFailed
from auth_service.observability.metrics import BREACH_LOOKUPS, REFUSED_PASSWORDS
from auth_service.passwords.breaches import Lookup, look_up
from auth_service.passwords.hashing import hash_password
from auth_service.passwords.policy import IN_A_BREACH, objections_to
from auth_service.routes.dependencies import AppState


async def hash_new_password(
    state: AppState,
    password: str,
    *,
    username: str,
    email: str = "",
    field: str = "new_password",
) -> str:
    """Check a new password and return its hash.

    Args:
        state: With the hashing slot.
        username: Of the account, which is not accepted as its password.
        email: Of the account, likewise.
        field: The name of the request's field, for the error.

    Raises:
        ValidationFailed: The policy does not accept the password.
        Overloaded: Too many hashes are waiting.
    """
    objections = objections_to(
        password, username=username, email=email, app_name=state.issuer.app_name
    )
    if not objections and await _is_in_a_breach(state, password):
        objections = [IN_A_BREACH]
    if objections:
        for objection in objections:
            REFUSED_PASSWORDS.labels(objection.code).inc()
        raise ValidationFailed(
            {field: [objection.sentence for objection in objections]},
            error_codes={field: [objection.code for objection in objections]},
        )
    async with state.slot.occupied():
        return await state.slot.run(partial(hash_password, password))


async def _is_in_a_breach(state: AppState, password: str) -> bool:
    if not state.breach_lookup_url:
        return False
    found = await look_up(password, url=state.breach_lookup_url)
    BREACH_LOOKUPS.labels(found.value).inc()
    return found is Lookup.LISTED

"""Which passwords are accepted: by length and by how often others use them."""

from dataclasses import dataclass

from zxcvbn.frequency_lists import FREQUENCY_LISTS

MINIMUM_BYTES = 8
MAXIMUM_BYTES = 1024
# Printed in the README, so nobody may choose it: the demo superuser alone has it, in `local`.
DEMO_PASSWORD = "qweqweqwE1"  # noqa: S105 # refused outside local

_COMMON = frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MINIMUM_BYTES)


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason against a password: a stable word and a sentence for people."""

    code: str
    sentence: str


def objections_to(password: str, *, username: str) -> list[Objection]:
    """List what speaks against a password (NIST SP 800-63B §3.1.1.2: length and a blocklist only).

    Args:
        password: As typed; it is used unmodified, so its length counts in bytes.
        username: The account's name, which is the first guess of every attacker.
    """
    length = len(password.encode())
    found = []
    if length < MINIMUM_BYTES:
        found.append(Objection("password_too_short", f"Use at least {MINIMUM_BYTES} characters."))
    if length > MAXIMUM_BYTES:
        found.append(Objection("password_too_long", f"Use at most {MAXIMUM_BYTES} bytes."))
    if password == DEMO_PASSWORD or password.casefold() in _COMMON:
        found.append(Objection("password_too_common", "This password is too common."))
    if password.casefold() == username.casefold():
        found.append(
            Objection("password_is_username", "The password must differ from the username.")
        )
    return found

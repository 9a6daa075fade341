"""Which passwords are accepted: by their length and by how common they are."""

from typing import NamedTuple

from zxcvbn.frequency_lists import FREQUENCY_LISTS

MINIMUM_BYTES = 8
MAXIMUM_BYTES = 1024
# The README shows it, so no user may choose it. Only the demo superuser has it, in `local`.
DEMO_PASSWORD = "qweqweqwE1"  # noqa: S105 # refused outside local

_COMMON = frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= MINIMUM_BYTES)


class Objection(NamedTuple):
    """A reason to refuse a password: a stable code and a sentence for people."""

    code: str
    sentence: str


def objections_to(password: str, *, username: str) -> list[Objection]:
    """Return every reason to refuse a password; an empty list accepts it.

    Only length and a blocklist count, no rules about kinds of characters (NIST SP 800-63B
    §3.1.1.2).

    Args:
        password: As typed. It is used unmodified, so its length counts in bytes of UTF-8.
        username: The account's username, which is not accepted as its password.
    """
    length = len(password.encode())
    found = []
    if length < MINIMUM_BYTES:
        found.append(Objection("password_too_short", f"Use at least {MINIMUM_BYTES} characters."))
    if length > MAXIMUM_BYTES:
        found.append(Objection("password_too_long", f"Use at most {MAXIMUM_BYTES} bytes."))
    if password == DEMO_PASSWORD or password.casefold() in _COMMON:
        found.append(
            Objection("password_too_common", "This password is too common. Choose another one.")
        )
    if password.casefold() == username.casefold():
        found.append(
            Objection("password_is_username", "The password must differ from the username.")
        )
    return found

"""Which passwords are accepted: by their length, and by whether others would guess them first."""

import gzip
import re
import string
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution
from typing import NamedTuple

from auth_service.passwords.normalization import normalize

# Counted in characters after normalization (NIST SP 800-63B-4 §3.1.1.2).
MINIMUM_LENGTH = 8
MAXIMUM_LENGTH = 1024
# The README shows it, so no user may choose it. Only the demo superuser has it, in `local`.
DEMO_PASSWORD = "qweqweqwE1"  # noqa: S105 # refused outside local

# "Password2026!" is "password" with as many digits and signs as people add to please a form.
_MOST_ADDED = 5
_DIGITS_AND_SIGNS = string.digits + string.punctuation + " "
_SEPARATORS = re.compile(r"[\W_]+")
# Digits and signs that are written for letters; 1 and ! stand for either of two.
_LETTERS_WRITTEN_AS_DIGITS = (
    str.maketrans("013457@$!", "oieastasi"),
    str.maketrans("013457@$!", "oleastasl"),
)


class Objection(NamedTuple):
    """A reason to refuse a password: a stable code and a sentence for people."""

    code: str
    sentence: str


# Found by `breaches.py`, which asks another service and so is off by default.
IN_A_BREACH = Objection(
    "password_breached",
    "This password is in a list of stolen passwords. Choose another one.",
)


def objections_to(
    password: str, *, username: str, email: str = "", app_name: str = ""
) -> list[Objection]:
    """Return every reason to refuse a password; an empty list accepts it.

    Only length and guesses count, no rules about kinds of characters (NIST SP 800-63B-4
    §3.1.1.2). A password is compared as a whole, with its variants in case and digits.

    Args:
        password: As typed.
        username: The account's username, which is not accepted as its password.
        email: The account's email address, which is not accepted either, nor its local part.
        app_name: The product's name; everyone who attacks it would try that first.
    """
    normal = normalize(password)
    variants = _variants(normal)
    found = []
    if len(normal) < MINIMUM_LENGTH:
        found.append(Objection("password_too_short", f"Use at least {MINIMUM_LENGTH} characters."))
    if len(normal) > MAXIMUM_LENGTH:
        found.append(Objection("password_too_long", f"Use at most {MAXIMUM_LENGTH} characters."))
    if _is_blank(normal):
        found.append(Objection("password_blank", "Use characters other than blanks."))
    if password == DEMO_PASSWORD or not variants.isdisjoint(_common()):
        found.append(
            Objection("password_too_common", "This password is too common. Choose another one.")
        )
    for code, words, sentence in (
        ("password_is_username", [username], "The password must differ from the username."),
        (
            "password_is_email",
            [email, email.partition("@")[0]],
            "The password must differ from the email address.",
        ),
        (
            "password_is_app_name",
            [app_name],
            "The password must differ from the name of this service.",
        ),
    ):
        if not variants.isdisjoint({_squash(normalize(word).casefold()) for word in words} - {""}):
            found.append(Objection(code, sentence))
    return found


def _variants(normal: str) -> set[str]:
    folded = normal.casefold()
    forms = {folded, _squash(folded)}
    forms |= {core for form in forms for core in _without_added(form)}
    forms |= {form.translate(table) for form in forms for table in _LETTERS_WRITTEN_AS_DIGITS}
    return forms - {""}


def _without_added(text: str) -> Iterator[str]:
    """Take digits and signs off both ends, as many as people add."""
    at_start = len(text) - len(text.lstrip(_DIGITS_AND_SIGNS))
    at_end = len(text) - len(text.rstrip(_DIGITS_AND_SIGNS))
    for first in range(min(at_start, _MOST_ADDED) + 1):
        for last in range(min(at_end, _MOST_ADDED - first) + 1):
            yield text[first : len(text) - last]


def _squash(text: str) -> str:
    return _SEPARATORS.sub("", text)


def _is_blank(text: str) -> bool:
    # Separators and control or format characters: nothing of it is visible.
    return all(unicodedata.category(character)[0] in "ZC" for character in text)


@cache
def _common() -> frozenset[str]:
    """Read the lists when the first password is set: 40,000 passwords, lower case."""
    # Imported here, because it takes a tenth of a second and most processes never need it.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    # Of Django nothing but this file is used.
    of_django = distribution("django").locate_file("django/contrib/auth/common-passwords.txt.gz")
    with gzip.open(str(of_django), "rt", encoding="utf-8") as lines:
        return frozenset(line.strip() for line in lines) | frozenset(FREQUENCY_LISTS["passwords"])

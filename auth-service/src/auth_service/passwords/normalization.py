"""One form for passwords that look the same but were typed on different keyboards."""

import unicodedata


def normalize(password: str) -> str:
    """Return a password in the form in which it is counted, compared and hashed.

    NFKC, as NIST SP 800-63B-4 §3.1.1.2 recommends: `é` as one character or two, and the wide
    letters of a Japanese keyboard, are one password. Case and blanks stay as they were typed.
    """
    return unicodedata.normalize("NFKC", password)

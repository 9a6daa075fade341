"""When two usernames are the same name."""

import unicodedata


def fold_username(username: str) -> str:
    """Return what is equal for names that look alike to a person: NFKC, then case-folded."""
    return unicodedata.normalize("NFKC", username).casefold()

"""When two usernames are the same name, and when people take one for another (UTS 39)."""

import json
import unicodedata
from functools import cache
from importlib.resources import files

# Scripts that one name can mix: Japanese, Chinese and Korean are written so, with Latin letters
# (UTS 39 §5.2, "highly restrictive").
_USUAL_MIXTURES = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)
# Digits and signs, and accents, belong to every script.
_OF_EVERY_SCRIPT = {"COMMON", "INHERITED"}
_LEFT_TO_RIGHT_MARK = "\u200e"


def fold_username(username: str) -> str:
    """Return what is equal for spellings of one name: NFKC, then case-folded."""
    return unicodedata.normalize("NFKC", username).casefold()


def skeleton(username: str) -> str:
    """Return what is equal for names that look alike, such as a Latin and a Cyrillic `coco`.

    UTS 39 §4, then case-folded. It is for comparison alone, and reads as no one wrote it.
    """
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", username))
    return unicodedata.normalize("NFD", decomposed.translate(_prototypes())).casefold()


def mixes_scripts(username: str) -> bool:
    """Say whether a name has letters of scripts that no language mixes."""
    # Imported here, because it reads a table of all characters.
    from confusable_homoglyphs.categories import unique_aliases  # noqa: PLC0415

    scripts = unique_aliases(username) - _OF_EVERY_SCRIPT
    return len(scripts) > 1 and not any(scripts <= usual for usual in _USUAL_MIXTURES)


@cache
def _prototypes() -> dict[int, str]:
    """Return the character or characters for which each confusable one stands.

    The package lists who looks like whom in both directions. A character that looks like several
    others is their prototype; of two that look like each other alone, the first one is.
    """
    text = (files("confusable_homoglyphs") / "confusables.json").read_text(encoding="utf-8")
    alike = {
        one: [other["c"].strip(_LEFT_TO_RIGHT_MARK) for other in others]
        for one, others in json.loads(text).items()
        if len(one) == 1
    }
    return {
        ord(one): other if len(other) > 1 or len(alike.get(other, ())) > 1 else min(one, other)
        for one, (other, *others) in alike.items()
        if not others
    }

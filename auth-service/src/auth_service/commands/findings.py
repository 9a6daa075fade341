"""The result of one check of `auth-service doctor`."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "WRONG"
    UNCHECKED = "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the output.

    Attributes:
        subject: What was checked.
        sentence: What was found and, if it is wrong, what to do.
    """

    verdict: Verdict
    subject: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.verdict:<6} {self.subject:<12} {self.sentence}"


def ok(subject: str, sentence: str) -> Finding:
    return Finding(Verdict.OK, subject, sentence)


def wrong(subject: str, sentence: str) -> Finding:
    return Finding(Verdict.WRONG, subject, sentence)


def unchecked(subject: str, sentence: str) -> Finding:
    """A check that could not be made; that alone is no failure."""
    return Finding(Verdict.UNCHECKED, subject, sentence)

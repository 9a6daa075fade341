"""How a check of `auth-service doctor` ends: fine, wrong with advice, or not looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The three ways a check can end."""

    OK = "ok"
    WRONG = "WRONG"
    UNCHECKED = "-"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for the operator.

    Attributes:
        subject: What was looked at.
        sentence: What was found and, where it is wrong, what to do.
    """

    verdict: Verdict
    subject: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.verdict:<6} {self.subject:<12} {self.sentence}"


def ok(subject: str, sentence: str) -> Finding:
    """Report a check that found nothing to complain about."""
    return Finding(Verdict.OK, subject, sentence)


def wrong(subject: str, sentence: str) -> Finding:
    """Report something that an operator should put right."""
    return Finding(Verdict.WRONG, subject, sentence)


def unchecked(subject: str, sentence: str) -> Finding:
    """Report that a check could not be made, and why; that alone is no failure."""
    return Finding(Verdict.UNCHECKED, subject, sentence)

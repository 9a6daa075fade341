"""`manage.py stripe_link`: customers that exist at Stripe become those of users."""

import csv
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from errors import BillingError
from subscriptions.errors import LinkRefused
from subscriptions.managing.customer_links import Link, link, prepare

_WRONG_USAGE = 2
_COLUMNS = ("user", "customer")


@dataclass(frozen=True)
class _Pair:
    line: int
    user: str
    customer: str


class Command(BaseCommand):
    """Exit status 0: all are linked; 1: some are not, or it was interrupted."""

    help = "Link customers that exist at Stripe to users, as after a move from another system."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the arguments."""
        parser.add_argument("user", nargs="?", help="the user's id or username")
        parser.add_argument("customer", nargs="?", help="the customer's id at Stripe, cus_…")
        parser.add_argument(
            "--csv", metavar="FILE", help="link the pairs of a file with the columns user,customer"
        )
        parser.add_argument("--dry-run", action="store_true", help="check only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Link one pair, or those of a file."""
        act = prepare if options["dry_run"] else link
        if options["csv"] and not options["user"]:
            self._link_all(_read(options["csv"]), act=act)
        elif options["customer"] and not options["csv"]:
            try:
                done = act(options["user"], options["customer"])
            except BillingError as refusal:
                raise CommandError(str(refusal)) from refusal
            self.stdout.write("\n".join(done.sentences))
        else:
            raise CommandError(
                "Give a user and a customer, or --csv FILE.", returncode=_WRONG_USAGE
            )

    def _link_all(self, pairs: list[_Pair], *, act: Callable[[str, str], Link]) -> None:
        wrong = dict(_wrong(pairs))
        refused = 0
        for pair in pairs:
            reason = wrong.get(pair.line, "")
            try:
                said = reason or " ".join(act(pair.user, pair.customer).sentences)
            except LinkRefused as refusal:
                reason = str(refusal)
            except BillingError as outage:
                raise CommandError(
                    f"line {pair.line}: {outage} Run the command again to continue: what is "
                    "linked is passed over."
                ) from outage
            if reason:
                refused += 1
                self.stderr.write(f"line {pair.line}: {reason}")
            else:
                self.stdout.write(f"line {pair.line}: {said}")
        if refused:
            raise CommandError(f"{refused} of {len(pairs)} lines were refused.")


def _read(name: str) -> list[_Pair]:
    try:
        with Path(name).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise CommandError(
                    f"{name}: the first line must name the columns user and customer.",
                    returncode=_WRONG_USAGE,
                )
            return [
                _Pair(reader.line_num, *((row[each] or "").strip() for each in _COLUMNS))
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{name} cannot be read: {error}", returncode=_WRONG_USAGE) from error


def _wrong(pairs: list[_Pair]) -> Iterator[tuple[int, str]]:
    """Yield the lines that are wrong whatever Stripe says, each with the reason."""
    lines = Counter[str]()
    for pair in pairs:
        if pair.user and pair.customer:
            lines.update({pair.user, pair.customer})
    for pair in pairs:
        if not (pair.user and pair.customer):
            yield pair.line, "It needs a user and a customer."
            continue
        twice = [each for each in (pair.user, pair.customer) if lines[each] > 1]
        if twice:
            yield pair.line, f"{twice[0]} is on several lines; none of them is carried out."

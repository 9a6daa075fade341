"""`manage.py stripe_rewrite_metadata`: customers of versions before 0.9.0 get our metadata key."""

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from errors import BillingError
from subscriptions.managing.customer_metadata import Written, rewrite_metadata
from worker.rate_limiter import RateLimiter

_REPORT_EVERY = 100


class Command(BaseCommand):
    """Exit status 0: all customers in the database have it; 1: some do not, or interrupted."""

    help = "Write this product's metadata key to the customers in the database. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the options."""
        parser.add_argument("--dry-run", action="store_true", help="only count")
        parser.add_argument(
            "--per-second",
            type=positive_number,
            default=10.0,
            metavar="N",
            help="write at most N customers a second (default 10; Stripe allows 100 calls, "
            "in test mode 25)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, show progress on standard error, report on standard output."""
        counts = Counter[Written]()
        pace = RateLimiter(per_second=options["per_second"], at_once=1)

        def summary() -> str:
            first = "to write" if options["dry_run"] else Written.NOW
            others = list(Written)[1:]
            said = [
                f"{counts[Written.NOW]} {first}",
                *(f"{counts[each]} {each}" for each in others),
            ]
            return f"{counts.total()} customers: {', '.join(said)}"

        try:
            for each in rewrite_metadata(dry_run=options["dry_run"]):
                counts[each.written] += 1
                if each.written == Written.FAILED:
                    self.stderr.write(f"{each.stripe_customer_id}: {each.reason}")
                if each.written == Written.NOW and not options["dry_run"]:
                    pace.wait()
                if counts.total() % _REPORT_EVERY == 0:
                    self.stderr.write(summary())
        except BillingError as refusal:
            raise CommandError(
                f"{refusal} Run the command again to continue. So far {summary()}."
            ) from refusal
        self.stdout.write(f"{summary()}.")
        if counts[Written.FAILED]:
            raise CommandError(f"{counts[Written.FAILED]} customers are without the metadata key.")


def positive_number(text: str) -> float:
    number = float(text)
    if number <= 0:
        raise ArgumentTypeError("must be above 0")
    return number

"""`manage.py stripe_reconcile`: tells, or repairs, where we and Stripe disagree."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from errors import BillingError
from subscriptions.models import ReconcileRun
from subscriptions.reconcile import run, unfinished_run

_DRIFT = 2


class Command(BaseCommand):
    """Exit code 0: nothing to tell, or all of it repaired; 2: there are differences."""

    help = "Compare every customer, payment method and subscription with Stripe."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the options."""
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--dry-run", action="store_true", help="only tell (the default)")
        mode.add_argument("--fix", action="store_true", help="write what Stripe says")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--resume", action="store_true", help="carry on a run broken off")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, show progress on standard error, report on standard output."""
        record = (unfinished_run() if options["resume"] else None) or ReconcileRun()
        record.fix = options["fix"]
        try:
            for progress in run(record):
                self.stderr.write(
                    f"{progress.customers_compared} customers compared, "
                    f"{progress.differences} differences"
                )
        except BillingError as refusal:
            raise CommandError(f"{refusal.detail} Carry on with --resume.") from refusal
        self._report(record, as_json=options["json"])
        if record.drift and not record.fix:
            sys.exit(_DRIFT)

    def _report(self, record: ReconcileRun, *, as_json: bool) -> None:
        if as_json:
            report = {
                "customers_compared": record.customers_compared,
                "fixed": record.fix,
                "drift": record.drift,
            }
            self.stdout.write(json.dumps(report))
            return
        for each in record.drift:
            self.stdout.write(
                f"{each['stripe_customer_id']} {each['object_id']}: {each['what']}"
                f" (here {each['ours'] or '—'}, at Stripe {each['stripes'] or '—'})"
            )
        ending = "repaired" if record.fix else "found"
        self.stdout.write(
            f"{record.customers_compared} customers compared, {len(record.drift)} "
            f"differences {ending}."
        )

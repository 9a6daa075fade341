"""`manage.py stripe_reconcile`: reports or repairs the differences from Stripe."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from errors import BillingError
from subscriptions.managing.charges import follow
from subscriptions.models import ReconcileRun
from subscriptions.sync.reconcile import TooManyLosses, loss_warning, run, unfinished_run
from webhooks.pending import has_pending_event

_DRIFT = 2
_REPORT_EVERY = 100


class Command(BaseCommand):
    """Exit status 0: nothing differs any more; 1: refused or interrupted; 2: differences left."""

    help = "Compare every customer, payment method, subscription, refund and dispute with Stripe."

    def add_arguments(self, parser: ArgumentParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--dry-run", action="store_true", help="report only (the default)")
        mode.add_argument("--fix", action="store_true", help="write what Stripe says")
        parser.add_argument(
            "--accept-losses",
            type=int,
            default=0,
            metavar="N",
            help="with --fix: write it even if N customers lose something",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--resume", action="store_true", help="continue an interrupted run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, show progress on standard error, report on standard output."""
        if options["accept_losses"] and not options["fix"]:
            raise CommandError("--accept-losses needs --fix: nothing is written without it.")
        record = _begin(fix=options["fix"], resume=options["resume"])
        steps = run(
            record,
            has_pending_event=has_pending_event,
            follow_charge=follow,
            accept_losses=options["accept_losses"],
        )
        try:
            for number, progress in enumerate(steps):
                if number % _REPORT_EVERY == 0:
                    self.stderr.write(
                        f"{progress.customers_compared} customers compared, "
                        f"{progress.differences} differences"
                    )
        except TooManyLosses as refusal:
            self._report(record, as_json=options["json"])
            raise CommandError(str(refusal)) from refusal
        except BillingError as refusal:
            raise CommandError(f"{refusal} Continue with --resume.") from refusal
        self._report(record, as_json=options["json"])
        if not record.fix and (warning := loss_warning(record)):
            self.stderr.write(warning)
        if record.left:
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
                + (", repaired" if each["repaired"] else "")
            )
        ending = f", {len(record.drift) - record.left} repaired" if record.fix else ""
        self.stdout.write(
            f"{record.customers_compared} customers compared, {len(record.drift)} "
            f"differences found{ending}."
        )


def _begin(*, fix: bool, resume: bool) -> ReconcileRun:
    record = unfinished_run(nightly=False) if resume else None
    if record is None:
        return ReconcileRun(fix=fix)
    if record.fix != fix:
        begun_with = "--fix" if record.fix else "--dry-run"
        raise CommandError(
            f"The interrupted run was started with {begun_with}. Continue it with {begun_with}, "
            "or start a new one without --resume."
        )
    return record

"""`manage.py webhooks replay | backfill | prune`."""

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from errors import BillingError
from webhooks.backfill import backfill
from webhooks.models import WebhookEvent
from webhooks.replay import replay, replayable
from worker.retention import prunable_events, prune_events

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read a moment: `30m`, `6h` or `2d` ago, or a date and time, UTC unless it says otherwise."""
    try:
        if text[:-1].isdecimal() and text[-1:] in _UNITS:
            return timezone.now() - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        parsed = parse_datetime(text)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None:
        raise CommandError(
            f"{text!r} is not a time. Write 30m, 6h or 2d, or a date such as 2026-11-22."
        )
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Commands for stored webhook events."""

    help = "Replay stored events, fetch missed ones from Stripe, delete old ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        again = commands.add_parser("replay", help="process stored events again")
        which = again.add_mutually_exclusive_group(required=True)
        which.add_argument("--failed", action="store_true", help="the events that failed")
        which.add_argument("--id", metavar="EVENT", help="one event")
        which.add_argument("--since", metavar="WHEN", help="all events received since then")
        again.add_argument("--dry-run", action="store_true", help="count only")
        missed = commands.add_parser("backfill", help="fetch missed events from Stripe")
        missed.add_argument("--since", metavar="WHEN", required=True)
        old = commands.add_parser("prune", help="delete handled and ignored events")
        old.add_argument("--days", type=int, required=True, help="keep events of the last N days")
        old.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *args: Any, **options: Any) -> None:
        run = {"replay": self._replay, "backfill": self._backfill, "prune": self._prune}
        try:
            run[options["command"]](options)
        except BillingError as refusal:
            raise CommandError(str(refusal)) from refusal

    def _replay(self, options: dict[str, Any]) -> None:
        events = WebhookEvent.objects.all()
        if options["failed"]:
            events = events.filter(state=WebhookEvent.State.DEAD)
        elif options["id"]:
            events = events.filter(id=options["id"])
        else:
            events = events.filter(received_at__gte=moment(options["since"]))
        if options["dry_run"]:
            self.stdout.write(f"{replayable(events).count()} events would be in the queue again.")
            return
        self.stdout.write(f"{replay(events)} events are in the queue again.")

    def _backfill(self, options: dict[str, Any]) -> None:
        count = 0
        for event_id in backfill(moment(options["since"])):
            count += 1
            self.stdout.write(event_id)
        self.stdout.write(f"{count} events were missing.")

    def _prune(self, options: dict[str, Any]) -> None:
        count, before = 0, timezone.now() - timedelta(days=options["days"])
        if options["dry_run"]:
            self.stdout.write(f"{prunable_events(before).count()} events would be deleted.")
            return
        for size in prune_events(before):
            count += size
            self.stdout.write(f"{count} deleted …")
        self.stdout.write(f"{count} events were deleted.")

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
from webhooks.replay import replay
from worker.retention import prune_events

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """Read a moment: `30m`, `6h` or `2d` ago, or a date and time, UTC unless it says otherwise."""
    if text[:-1].isdigit() and text[-1:] in _UNITS:
        return timezone.now() - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    parsed = parse_datetime(text)
    if parsed is None:
        raise CommandError(f"{text!r} is neither like 30m, 6h, 2d nor a date and time.")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Commands for stored webhook events."""

    help = "Replay stored events, fetch missed ones from Stripe, delete old ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Describe the three subcommands."""
        commands = parser.add_subparsers(dest="command", required=True)
        again = commands.add_parser("replay", help="handle stored events once more")
        which = again.add_mutually_exclusive_group(required=True)
        which.add_argument("--failed", action="store_true", help="the events that failed")
        which.add_argument("--id", metavar="EVENT", help="one event")
        which.add_argument("--since", metavar="WHEN", help="all received since")
        missed = commands.add_parser("backfill", help="fetch missed events from Stripe")
        missed.add_argument("--since", metavar="WHEN", required=True)
        old = commands.add_parser("prune", help="delete handled and ignored events")
        old.add_argument("--days", type=int, required=True, help="keep those younger than that")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one of them."""
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
        self.stdout.write(f"{replay(events)} events are in the queue again.")

    def _backfill(self, options: dict[str, Any]) -> None:
        count = 0
        for event_id in backfill(moment(options["since"])):
            count += 1
            self.stdout.write(event_id)
        self.stdout.write(f"{count} events had been missed.")

    def _prune(self, options: dict[str, Any]) -> None:
        count = 0
        for size in prune_events(timezone.now() - timedelta(days=options["days"])):
            count += size
            self.stdout.write(f"{count} deleted …")
        self.stdout.write(f"{count} events were deleted.")

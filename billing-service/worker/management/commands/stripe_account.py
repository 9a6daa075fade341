"""`manage.py stripe_account`: which Stripe account the database belongs to, and moving it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from errors import BillingError
from subscriptions.models import Customer
from subscriptions.stripe_gateway import account
from subscriptions.stripe_gateway.client import call_unchecked


class Command(BaseCommand):
    """Exit code 0: the key's account is the database's; 1: it is not, or Stripe did not say."""

    help = "Show the Stripe account that the database belongs to, or move it to another one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("show", help="the database's account, and the key's")
        move = actions.add_parser("move", help="bind the database to the key's account")
        move.add_argument("--to", required=True, help="the id of the key's account, acct_…")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = account.identify(lambda path: call_unchecked("get", path))
        except BillingError as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["action"] == "move":
            self._move(key, to=options["to"])
        self.stdout.write(f"The database belongs to {account.stored_account() or 'no account yet'}")
        self.stdout.write(f"STRIPE_API_SECRET is a key of {key}")
        if account.stored_account() not in (None, key):
            raise CommandError("They differ. Stripe is not called until they agree.")

    def _move(self, key: account.Account, *, to: str) -> None:
        if to != key.id:
            raise CommandError(f"--to names {to}, but STRIPE_API_SECRET is a key of {key}.")
        account.bind(key)
        known = Customer.objects.exclude(stripe_customer_id=None).filter(deleted_at=None).count()
        self.stdout.write(
            f"{known} customers are expected under the same ids there. "
            "See what is missing with `manage.py stripe_reconcile --dry-run`."
        )

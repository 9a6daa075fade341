"""`manage.py stripe_bootstrap`: creates what this service needs at Stripe."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from errors import BillingError
from subscriptions.catalogue.bootstrap import ensure_prices, ensure_webhook_endpoint
from subscriptions.stripe_gateway.permissions import missing_permissions
from webhooks.event_types import HANDLED


class Command(BaseCommand):
    """Safe to repeat: prices are found by lookup key, the endpoint by its address.

    Exit status 0: done, or with `--check` the key has every permission; 1: it was refused, or a
    permission is missing.
    """

    help = "Create products, prices and the webhook endpoint; print the lines for .env."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--currency", default="usd")
        parser.add_argument("--basic-amount", type=int, default=1000, help="in the smallest unit")
        parser.add_argument("--pro-amount", type=int, default=2500, help="in the smallest unit")
        parser.add_argument("--interval", default="month", choices=["day", "week", "month", "year"])
        parser.add_argument(
            "--webhook-url",
            default=f"{settings.BILLING.public_url}/api/stripe-webhook/",
            help="address of the webhook endpoint; an empty value creates none",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="write nothing; list the permissions that the key lacks",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["check"]:
                self._check()
                return
            self._prices(options)
            if options["webhook_url"]:
                self._webhook(options["webhook_url"])
        except BillingError as refusal:
            raise CommandError(str(refusal)) from refusal

    def _prices(self, options: dict[str, Any]) -> None:
        basic, pro = ensure_prices(
            basic_amount=options["basic_amount"],
            pro_amount=options["pro_amount"],
            currency=options["currency"],
            interval=options["interval"],
        )
        self.stdout.write(f"STRIPE_BASIC_PRODUCT_PRICE_ID={basic}")
        self.stdout.write(f"STRIPE_PRO_PRODUCT_PRICE_ID={pro}")

    def _webhook(self, url: str) -> None:
        endpoint, secret = ensure_webhook_endpoint(url, enabled_events=sorted(HANDLED))
        if secret:
            self.stdout.write(f"STRIPE_WEBHOOK_SECRET={secret}")
        else:
            self.stderr.write(
                f"The endpoint {endpoint} exists already. It is enabled for the events we handle. "
                "Its secret is in Stripe's dashboard."
            )

    def _check(self) -> None:
        # Each refusal is an answer here, and would be logged as well.
        logging.disable(logging.WARNING)
        try:
            missing = list(missing_permissions())
        finally:
            logging.disable(logging.NOTSET)
        for need, permission in missing:
            named = f" ({permission})" if permission else ""
            self.stdout.write(f"STRIPE_API_SECRET may not {need.what}{named}")
        if missing:
            raise CommandError(
                f"{len(missing)} permissions are missing: add them to the key under Developers, "
                "API keys in Stripe's dashboard."
            )
        self.stdout.write("STRIPE_API_SECRET has every permission that this service needs")

"""Django's system checks of every Stripe variable; a wrong one stops the process at start."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

_KEY = re.compile(r"^(sk|rk)_(test|live)_\w+$", re.ASCII)
_PUBLISHABLE = re.compile(r"^pk_(test|live)_\w+$", re.ASCII)
_PRICE = re.compile(r"^price_\w+$", re.ASCII)
_SECRET = re.compile(r"^whsec_\w+$", re.ASCII)


@register
def check_stripe_settings(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Report each Stripe variable that is missing or wrong."""
    return [
        *_check_key(),
        *_check_address(),
        *_check_prices(),
        *_check_webhook_secrets(),
        *_check_publishable_key(),
    ]


def _check_key() -> Iterator[CheckMessage]:
    billing = settings.BILLING
    key = billing.stripe_api_secret
    if not key:
        yield checks.Warning(
            "STRIPE_API_SECRET is empty: users cannot subscribe.", id="stripe.W001"
        )
    elif not _KEY.match(key):
        yield Error(
            "STRIPE_API_SECRET must look like sk_test_…, rk_test_…, sk_live_… or rk_live_….",
            id="stripe.E001",
        )
    elif _is_live(key) and billing.stage == "local":
        yield Error(
            "STRIPE_API_SECRET is a live key, which ENVIRONMENT=local must not use.",
            id="stripe.E002",
        )


def _check_address() -> Iterator[CheckMessage]:
    billing = settings.BILLING
    base = billing.stripe_api_base
    if not base:
        return
    if _is_live(billing.stripe_api_secret):
        yield Error(
            "STRIPE_API_BASE must be empty with a live key, which the sandbox must never receive.",
            id="stripe.E003",
        )
    if billing.stage == "production":
        yield Error("STRIPE_API_BASE must be empty in production.", id="stripe.E004")
    if urlsplit(base).path not in ("", "/"):
        yield Error("STRIPE_API_BASE must be an address without a path.", id="stripe.E005")


def _check_prices() -> Iterator[CheckMessage]:
    billing = settings.BILLING
    prices = {
        "STRIPE_BASIC_PRODUCT_PRICE_ID": billing.stripe_basic_product_price_id,
        "STRIPE_PRO_PRODUCT_PRICE_ID": billing.stripe_pro_product_price_id,
    }
    for name, price in prices.items():
        if not price:
            yield checks.Warning(f"{name} is empty: its product is not on sale.", id="stripe.W002")
        elif not _PRICE.match(price):
            yield Error(f"{name} must be a price id, price_….", id="stripe.E006")
    if prices["STRIPE_BASIC_PRODUCT_PRICE_ID"] and len(set(prices.values())) == 1:
        yield Error(
            "STRIPE_BASIC_PRODUCT_PRICE_ID and STRIPE_PRO_PRODUCT_PRICE_ID name the same price.",
            id="stripe.E007",
        )


def _check_webhook_secrets() -> Iterator[CheckMessage]:
    billing = settings.BILLING
    secrets = billing.stripe_webhook_secrets
    if not secrets and not billing.is_local:
        yield Error(
            "STRIPE_WEBHOOK_SECRET must be set when ENVIRONMENT is not local.", id="stripe.E008"
        )
    elif not secrets:
        yield checks.Warning(
            "STRIPE_WEBHOOK_SECRET is empty: webhooks are not verified.", id="stripe.W003"
        )
    if not all(_SECRET.match(secret) for secret in secrets):
        yield Error(
            "STRIPE_WEBHOOK_SECRET must hold whsec_… values, separated by commas.",
            id="stripe.E009",
        )


def _check_publishable_key() -> Iterator[CheckMessage]:
    billing = settings.BILLING
    key = billing.stripe_publishable_key
    if not key:
        return
    if not _PUBLISHABLE.match(key):
        yield Error(
            "STRIPE_PUBLISHABLE_KEY must look like pk_test_… or pk_live_….", id="stripe.E010"
        )
    elif billing.stripe_api_secret and _is_live(key) != _is_live(billing.stripe_api_secret):
        yield Error(
            "STRIPE_PUBLISHABLE_KEY and STRIPE_API_SECRET must both be test or both be live keys.",
            id="stripe.E011",
        )


def _is_live(key: str) -> bool:
    return key.startswith(("sk_live_", "rk_live_", "pk_live_"))

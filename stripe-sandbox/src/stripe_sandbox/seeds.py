"""Creates the objects of a seed file at start, where they are missing."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from stripe_sandbox.errors import StripeError
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.state import WebhookEndpointState
from stripe_sandbox.resources import (
    coupons,
    portal_configurations,
    prices,
    products,
    webhook_endpoints,
)
from stripe_sandbox.storage.kinds import WEBHOOK_ENDPOINT
from stripe_sandbox.storage.store import Work

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class BadSeed(Exception):
    """The seed file cannot be used; the message says why."""


def read(path: Path, environment: Mapping[str, str]) -> Json:
    """A seed file with `${NAME}` filled in from the environment.

    Raises:
        BadSeed: It is missing or no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        seed = json.loads(_VARIABLE.sub(lambda m: _quoted(environment.get(m[1], "")), text))
    except (OSError, ValueError) as problem:
        raise BadSeed(f"seed file {path}: {problem}") from problem
    if not isinstance(seed, dict):
        raise BadSeed(f"seed file {path}: expected an object")
    return seed


def _quoted(value: str) -> str:
    return json.dumps(value)[1:-1]


def apply(work: Work, seed: Json) -> None:
    """Create the objects of a seed that the store does not have.

    An endpoint without a `url` is left out, so that one seed file works with and
    without a receiver.

    Raises:
        BadSeed: Stripe would refuse what the seed describes.
    """
    try:
        _apply(work, seed)
    except StripeError as refusal:
        raise BadSeed(f"seed file: {refusal.message}") from refusal
    except KeyError as missing:
        raise BadSeed(f"seed file: {missing} is missing") from missing


def _apply(work: Work, seed: Json) -> None:
    for product in seed.get("products", []):
        if work.find_any(product["id"]) is None:
            products.make(work, product)
    for price in seed.get("prices", []):
        if work.find_any(price["id"]) is None:
            prices.make(work, price)
    for coupon in seed.get("coupons", []):
        if work.find_any(coupon["id"]) is None:
            coupons.make(work, coupon)
    for configuration in seed.get("portal_configurations", []):
        if work.find_any(configuration["id"]) is None:
            portal_configurations.make(work, configuration, is_default=True)
    for endpoint in seed.get("webhook_endpoints", []):
        _apply_endpoint(work, endpoint)


def _apply_endpoint(work: Work, wanted: Json) -> None:
    secret = wanted["secret"].split(",")[0].strip()
    if not wanted["url"] or not secret:
        return
    known = work.find(WEBHOOK_ENDPOINT, wanted["id"])
    if known is None:
        webhook_endpoints.make(work, wanted, secret=secret)
        return
    if known["url"] != wanted["url"]:
        known["url"] = wanted["url"]
        work.save(known)
    work.state(known, WebhookEndpointState).secret = secret

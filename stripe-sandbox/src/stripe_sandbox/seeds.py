"""Makes the objects of a seed file at start, where they are missing."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stripe_sandbox.errors import StripeError
from stripe_sandbox.resources import coupons, prices, products, webhook_endpoints
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]

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


def plant(work: Work, seed: Json) -> None:
    """Make what the seed describes and the store does not have.

    An endpoint without an address is left out, so that one seed file serves
    with and without a receiver.

    Raises:
        BadSeed: Stripe would refuse what the seed describes.
    """
    try:
        _plant(work, seed)
    except StripeError as refusal:
        raise BadSeed(f"seed file: {refusal.message}") from refusal
    except KeyError as missing:
        raise BadSeed(f"seed file: {missing} is missing") from missing


def _plant(work: Work, seed: Json) -> None:
    for product in seed.get("products", []):
        if work.find(product["id"]) is None:
            products.make(work, product)
    for price in seed.get("prices", []):
        if work.find(price["id"]) is None:
            prices.make(work, price)
    for coupon in seed.get("coupons", []):
        if work.find(coupon["id"]) is None:
            coupons.make(work, coupon)
    for endpoint in seed.get("webhook_endpoints", []):
        _plant_endpoint(work, endpoint)


def _plant_endpoint(work: Work, wanted: Json) -> None:
    secret = wanted["secret"].split(",")[0].strip()
    if not wanted["url"] or not secret:
        return
    known = work.find(wanted["id"])
    if known is None:
        webhook_endpoints.make(work, wanted, secret=secret)
    elif (known["url"], known["_secret"]) != (wanted["url"], secret):
        known |= {"url": wanted["url"], "_secret": secret}
        work.save(known)

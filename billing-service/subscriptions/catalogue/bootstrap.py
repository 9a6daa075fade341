"""Creates the prices and the webhook endpoint at Stripe, unless they exist."""

from collections.abc import Sequence
from uuid import uuid4

from subscriptions.catalogue.products import BASIC, PRO
from subscriptions.stripe_gateway import catalogue as stripe_catalogue

_TITLES = {BASIC: "Basic subscription", PRO: "Pro subscription"}


def ensure_prices(
    *, basic_amount: int, pro_amount: int, currency: str, interval: str
) -> tuple[str, str]:
    """Return the ids of the two prices, found by lookup key or created.

    Args:
        basic_amount: For a price that has to be created, in the currency's smallest unit.
        pro_amount: The same for the other one.
    """
    amounts = {BASIC: basic_amount, PRO: pro_amount}
    basic, pro = (
        _ensure_price(name, unit_amount=amount, currency=currency, interval=interval)
        for name, amount in amounts.items()
    )
    return basic, pro


def ensure_webhook_endpoint(url: str, *, enabled_events: Sequence[str]) -> tuple[str, str]:
    """Return the endpoint's id and, if it was created, its secret.

    One that exists is enabled and gets the types this version handles.
    """
    found = stripe_catalogue.find_webhook_endpoint(url)
    if found:
        stripe_catalogue.enable_webhook_endpoint(found, enabled_events=list(enabled_events))
        return found, ""
    return stripe_catalogue.create_webhook_endpoint(
        url=url, enabled_events=list(enabled_events), key=_new_key()
    )


def _ensure_price(name: str, *, unit_amount: int, currency: str, interval: str) -> str:
    found = stripe_catalogue.find_price(name)
    if found is not None:
        return found.id
    made = stripe_catalogue.create_price(
        lookup_key=name,
        name=_TITLES[name],
        unit_amount=unit_amount,
        currency=currency,
        interval=interval,
        key=_new_key(),
    )
    return made.id


def _new_key() -> str:
    # One made of what is asked for would answer with an object that was deleted since.
    return f"bootstrap:{uuid4()}"

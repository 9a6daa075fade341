"""Setup intents at Stripe: cards made ready for payments without their owner present."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from subscriptions.stripe_gateway.client import call, pages
from subscriptions.stripe_gateway.objects import MetadataKey, id_of, kept_under

# Marks the intents whose card is to pay from now on, so that the webhook knows.
_MAKES_DEFAULT = "default_payment_method"
# An empty value would not be kept.
_NO_CARD = "none"
_MOST_CARDS = 10


@dataclass(frozen=True, kw_only=True)
class StripeSetupIntent:
    """How far the setting-up of a card is."""

    id: str
    status: str
    payment_method_id: str
    client_secret: str
    makes_default: bool
    # The cards that paid when it was begun, which its card is to replace; None: not noted.
    replaces: frozenset[str] | None


def create_setup_intent(
    *, stripe_customer_id: str, user_id: str, replaces: Collection[str], key: str
) -> StripeSetupIntent:
    """Prepare to collect a card in the browser.

    Args:
        user_id: Kept in the metadata.
        replaces: The cards that pay now, kept in the metadata.
    """
    data = call(
        "post",
        "/v1/setup_intents",
        params={
            "customer": stripe_customer_id,
            "metadata": _metadata(user_id, replaces),
        },
        key=key,
    )
    return _read(data)


def confirm_card(
    payment_method: str,
    *,
    stripe_customer_id: str,
    user_id: str,
    replaces: Collection[str],
    return_url: str,
    key: str,
) -> StripeSetupIntent:
    """Set a card up that is attached already.

    Args:
        user_id: Kept in the metadata.
        replaces: The cards that pay now, kept in the metadata.
        return_url: Where a bank's page leads back to.

    Raises:
        CardDeclined: The bank refuses.
    """
    data = call(
        "post",
        "/v1/setup_intents",
        params={
            "customer": stripe_customer_id,
            "payment_method": payment_method,
            "confirm": True,
            "return_url": return_url,
            "metadata": _metadata(user_id, replaces),
        },
        key=key,
    )
    return _read(data)


def fetch_setup_intents(stripe_customer_id: str) -> list[StripeSetupIntent]:
    """Fetch all setups of a customer, newest first.

    Raises:
        StripeObjectNotFound: Stripe does not know the customer.
    """
    found = pages("/v1/setup_intents", params={"customer": stripe_customer_id})
    return [_read(each) for page in found for each in page]


def cancel_setup_intent(setup_intent: str, *, key: str) -> None:
    """End a setup intent that has not succeeded; its client secret no longer tries cards.

    Raises:
        PaymentGatewayRefused: It has ended meanwhile.
    """
    call("post", "/v1/setup_intents/{}/cancel", setup_intent, key=key)


def _metadata(user_id: str, replaces: Collection[str]) -> dict[str, str]:
    # Stripe keeps at most 500 characters of a value.
    cards = " ".join(sorted(replaces)[:_MOST_CARDS])
    return {
        MetadataKey.USER_ID: user_id,
        MetadataKey.PURPOSE: _MAKES_DEFAULT,
        MetadataKey.REPLACES: cards or _NO_CARD,
    }


def _read(data: dict[str, Any]) -> StripeSetupIntent:
    replaces = kept_under(MetadataKey.REPLACES, data)
    return StripeSetupIntent(
        id=data["id"],
        status=data["status"],
        payment_method_id=id_of(data.get("payment_method")),
        client_secret=data.get("client_secret") or "",
        makes_default=kept_under(MetadataKey.PURPOSE, data) == _MAKES_DEFAULT,
        replaces=frozenset(replaces.split()) - {_NO_CARD} if replaces else None,
    )

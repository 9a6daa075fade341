"""Products, prices and webhook endpoints at Stripe."""

from subscriptions.stripe_gateway.client import call, pages
from subscriptions.stripe_gateway.objects import StripePrice, read_price


def fetch_price(price: str) -> StripePrice:
    """Fetch a price with its product's name.

    Raises:
        StripeObjectNotFound: There is none.
    """
    return read_price(call("get", "/v1/prices/{}", price, params={"expand": ["product"]}))


def find_price(lookup_key: str) -> StripePrice | None:
    """Find the active price that carries a lookup key.

    Args:
        lookup_key: Our name of the product.
    """
    page = call(
        "get",
        "/v1/prices",
        params={"lookup_keys": [lookup_key], "active": True, "expand": ["data.product"]},
    )
    return read_price(page["data"][0]) if page["data"] else None


def create_price(
    *, lookup_key: str, name: str, unit_amount: int, currency: str, interval: str, key: str
) -> StripePrice:
    """Make a product with one recurring price.

    Args:
        lookup_key: Our name of the product, by which the price is found again.
        name: What customers read on invoices.
        unit_amount: In the currency's smallest unit.
        interval: `month` or `year`.
    """
    data = call(
        "post",
        "/v1/prices",
        params={
            "currency": currency,
            "unit_amount": unit_amount,
            "recurring": {"interval": interval},
            "lookup_key": lookup_key,
            "product_data": {"name": name},
            "expand": ["product"],
        },
        key=key,
    )
    return read_price(data)


def find_webhook_endpoint(url: str) -> str | None:
    """Return the id of the endpoint that delivers to an address, if there is one.

    Args:
        url: Where it delivers to.
    """
    found = (each for page in pages("/v1/webhook_endpoints") for each in page)
    return next((each["id"] for each in found if each["url"] == url), None)


def enable_webhook_endpoint(endpoint: str, *, enabled_events: list[str]) -> None:
    """Let an endpoint get these types from now on, also if Stripe or someone disabled it.

    Args:
        endpoint: `we_…`.
    """
    call(
        "post",
        "/v1/webhook_endpoints/{}",
        endpoint,
        params={"enabled_events": enabled_events, "disabled": False},
    )


def create_webhook_endpoint(*, url: str, enabled_events: list[str], key: str) -> tuple[str, str]:
    """Make a webhook endpoint; return its id and its secret, which Stripe shows only once.

    Args:
        url: Where to deliver to.
    """
    data = call(
        "post",
        "/v1/webhook_endpoints",
        params={"url": url, "enabled_events": enabled_events},
        key=key,
    )
    return data["id"], data["secret"]

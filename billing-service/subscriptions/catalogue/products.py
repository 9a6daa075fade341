"""What is on sale, with the amounts that Stripe holds."""

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from subscriptions.errors import MissingAtStripe, UnknownProduct
from subscriptions.models import SubscriptionProduct
from subscriptions.stripe_gateway.catalogue import fetch_price
from subscriptions.stripe_gateway.objects import StripePrice

BASIC, PRO = "basic_subscription", "pro_subscription"


# What is copied from Stripe; everything else on a row is decided by staff.
_COPIED = (
    *("stripe_product_id", "title", "unit_amount", "currency", "interval", "interval_count"),
    *("active_at_stripe", "synced_at"),
)


def products_on_sale() -> QuerySet[SubscriptionProduct]:
    """Return what can be bought: offered by staff, and active at Stripe."""
    return SubscriptionProduct.objects.filter(on_sale=True, active_at_stripe=True)


def product_on_sale(name: str) -> SubscriptionProduct:
    """Return the product callers mean by a name.

    Args:
        name: Such as `basic_subscription`.

    Raises:
        UnknownProduct: Nothing of that name is on sale.
    """
    product = products_on_sale().filter(name=name).first()
    if product is None:
        raise UnknownProduct("There is no such product on sale.")
    return product


def seed() -> list[SubscriptionProduct]:
    """Make the products the settings name, or point them at the prices the settings name now."""
    configured = {
        BASIC: settings.BILLING.stripe_basic_product_price_id,
        PRO: settings.BILLING.stripe_pro_product_price_id,
    }
    return [_put_on_sale(name, price=price) for name, price in configured.items() if price]


def mirror_price(product: SubscriptionProduct) -> bool:
    """Copy a product's amount and title from Stripe; return whether Stripe sells at its price.

    Args:
        product: Its price may be unknown or archived at Stripe; it cannot be bought then, and can
            again as soon as Stripe says so. Whether it is on sale at all stays with staff.
    """
    try:
        price = fetch_price(product.price_reference)
    except MissingAtStripe:
        product.active_at_stripe, product.synced_at = False, timezone.now()
        product.save(update_fields=["active_at_stripe", "synced_at"])
        return False
    _write(product, price=price)
    return price.active


def refresh(stripe_id: str) -> None:
    """Copy whatever changed with a price or product of Stripe's.

    Args:
        stripe_id: `price_…` or `prod_…`; nothing happens if it is none of ours.
    """
    ours = SubscriptionProduct.objects.filter(
        Q(price_reference=stripe_id) | Q(stripe_product_id=stripe_id)
    )
    for product in ours:
        mirror_price(product)


def _put_on_sale(name: str, *, price: str) -> SubscriptionProduct:
    product, made = SubscriptionProduct.objects.get_or_create(
        name=name, defaults={"price_reference": price}
    )
    if not made and product.price_reference != price:
        product.price_reference, product.on_sale = price, True
        product.save(update_fields=["price_reference", "on_sale"])
    return product


def _write(product: SubscriptionProduct, *, price: StripePrice) -> None:
    product.stripe_product_id = price.stripe_product_id
    product.title = price.product_name
    product.unit_amount = price.unit_amount
    product.currency = price.currency
    product.interval = price.interval
    product.interval_count = price.interval_count
    product.active_at_stripe = price.active
    product.synced_at = timezone.now()
    product.save(update_fields=_COPIED)

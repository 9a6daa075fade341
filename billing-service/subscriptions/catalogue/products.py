"""The products on sale, with the amounts that Stripe has."""

from functools import cached_property
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from subscriptions.errors import StripeObjectNotFound, UnknownProduct
from subscriptions.models import SubscribeAttempt, SubscriptionProduct
from subscriptions.stripe_gateway.catalogue import fetch_price
from subscriptions.stripe_gateway.objects import StripePrice, StripeSubscription

BASIC, PRO = "basic_subscription", "pro_subscription"


# What is copied from Stripe; everything else on a row is decided by staff.
_COPIED = (
    "stripe_product_id",
    "title",
    "unit_amount",
    "unit_amount_decimal",
    "currency",
    "interval",
    "interval_count",
    "active_at_stripe",
    "synced_at",
)


class Catalogue:
    """What we sell, read when it is first asked for: it distinguishes our subscriptions."""

    def has_sold(self, found: StripeSubscription) -> bool:
        """Whether a subscription is ours: one of its prices is, or one of our attempts made it."""
        return any(self._sells(item.price) for item in found.items) or _was_attempted(found)

    def product_id(self, price: StripePrice | None) -> int | None:
        """Return the row that was sold: by the price, else by a Stripe product that is its alone.

        Users who subscribed before a product got another price keep the old one and the product.
        """
        if price is None:
            return None
        exact = (each.pk for each in self._products if each.price_reference == price.id)
        same_product = [each.pk for each in self._products if _is_of(price, each)]
        return next(exact, same_product[0] if len(same_product) == 1 else None)

    def offers(self, product_id: int | None) -> bool:
        """Whether staff offer a product as a plan; what is sold beside one is off sale."""
        return any(each.pk == product_id and each.on_sale for each in self._products)

    def _sells(self, price: StripePrice) -> bool:
        return any(
            each.price_reference == price.id or _is_of(price, each) for each in self._products
        )

    @cached_property
    def _products(self) -> list[SubscriptionProduct]:
        return list(SubscriptionProduct.objects.all())


def products_on_sale() -> QuerySet[SubscriptionProduct]:
    """Return what can be bought: offered by staff, and active at Stripe."""
    return SubscriptionProduct.objects.filter(on_sale=True, active_at_stripe=True)


def product_on_sale(name: str) -> SubscriptionProduct:
    """Return the product of this name.

    Args:
        name: Such as `basic_subscription`.

    Raises:
        UnknownProduct: No product of this name is on sale.
    """
    product = products_on_sale().filter(name=name).first()
    if product is None:
        raise UnknownProduct("There is no product of this name on sale.")
    return product


def seed() -> list[SubscriptionProduct]:
    """Create the products of the settings, or update their prices."""
    configured = {
        BASIC: settings.BILLING.stripe_basic_product_price_id,
        PRO: settings.BILLING.stripe_pro_product_price_id,
    }
    return [_put_on_sale(name, price=price) for name, price in configured.items() if price]


def mirror_price(product: SubscriptionProduct) -> bool:
    """Copy a product's amount and title from Stripe; return whether its price is active there.

    Args:
        product: Its price may be unknown or archived at Stripe; it cannot be bought then, and can
            again when it is active. Whether it is offered at all is for staff to decide.
    """
    try:
        price = fetch_price(product.price_reference)
    except StripeObjectNotFound:
        product.active_at_stripe, product.synced_at = False, timezone.now()
        product.save(update_fields=["active_at_stripe", "synced_at"])
        return False
    _write(product, price=price)
    return price.active


def refresh(stripe_id: str) -> None:
    """Copy a changed price or product from Stripe.

    Args:
        stripe_id: `price_…` or `prod_…`; one that is not ours is ignored.
    """
    ours = SubscriptionProduct.objects.filter(
        Q(price_reference=stripe_id) | Q(stripe_product_id=stripe_id)
    )
    for product in ours:
        mirror_price(product)


def _is_of(price: StripePrice, product: SubscriptionProduct) -> bool:
    return bool(price.stripe_product_id) and price.stripe_product_id == product.stripe_product_id


def _was_attempted(found: StripeSubscription) -> bool:
    try:
        attempt_id = UUID(found.attempt_id)
    except ValueError:
        return False
    return SubscribeAttempt.objects.filter(pk=attempt_id).exists()


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
    product.unit_amount_decimal = price.unit_amount_decimal
    product.currency = price.currency
    product.interval = price.interval
    product.interval_count = price.interval_count
    product.active_at_stripe = price.active
    product.synced_at = timezone.now()
    product.save(update_fields=_COPIED)

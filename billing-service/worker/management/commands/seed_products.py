"""`manage.py seed_products`: creates the two products on sale, with their amounts from Stripe."""

from typing import Any

from django.core.management.base import BaseCommand

from errors import BillingError
from subscriptions.catalogue import products
from subscriptions.models import SubscriptionProduct
from subscriptions.money import price_text


class Command(BaseCommand):
    """Safe to repeat."""

    help = "Create basic_subscription and pro_subscription from the price-id variables."

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the products, then copy their prices from Stripe."""
        for product in products.seed():
            self.stdout.write(
                f"{product.name}: {product.price_reference}, {self._copy_price(product)}"
            )

    def _copy_price(self, product: SubscriptionProduct) -> str:
        try:
            is_sold_at_stripe = products.mirror_price(product)
        except BillingError as refusal:
            return f"amount not known yet ({refusal.code})"
        if not is_sold_at_stripe:
            return "cannot be bought: the price is unknown or archived at Stripe"
        if not product.on_sale:
            return "off sale; put it on sale in the admin"
        return price_text(product)

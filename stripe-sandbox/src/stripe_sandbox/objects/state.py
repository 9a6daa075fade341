"""What the sandbox keeps beside an object; no caller sees it."""

from dataclasses import dataclass, field

from stripe_sandbox.objects.common import Json


@dataclass
class PaymentMethodState:
    """Attributes:
    authenticated: 3-D Secure succeeded while the card was saved, so that it pays off-session.
    spent: Detached, or used once without a customer; it cannot be used again.
    """

    authenticated: bool = False
    spent: bool = False


@dataclass
class SubscriptionState:
    """Attributes:
    pending_invoice: The invoice that a `pending_update` waits for.
    resuming_invoice: The invoice that ends a pause once it is paid.
    """

    pending_invoice: str | None = None
    resuming_invoice: str | None = None


@dataclass
class DiscountState:
    """Attributes:
    terms: What the coupon took off when it was redeemed; the coupon may be deleted since.
    used: Whether an invoice took the discount already.
    """

    terms: Json = field(default_factory=dict)
    used: bool = False


@dataclass
class InvoiceItemState:
    """Attributes:
    credited: The invoice and its lines that a proration credits, as a line's `credited_items`.
    """

    credited: Json | None = None


@dataclass
class TestClockState:
    """Attributes:
    reached: The time that an advancing clock has come to; `frozen_time` once it is ready.
    """

    # pytest would otherwise take the class for a test.
    __test__ = False

    reached: int = 0


@dataclass
class WebhookEndpointState:
    """Attributes:
    secret: The signing secret, `whsec_…`, which Stripe shows once.
    """

    secret: str = ""


@dataclass
class CheckoutSessionState:
    """Attributes:
    items: The line items; prices are stored by id.
    subscription_data: The request's `subscription_data`.
    discounts: The request's `discounts`.
    payment_intent_data: Fields that the payment intent takes over.
    invoice_data: Fields that the invoice of a one-time payment takes over.
    tax_rates: The ids of tax rates by line item.
    address: The billing address that the customer entered.
    saves_address: Whether that becomes the address of a customer who was known before.
    """

    items: list[Json] = field(default_factory=list)
    subscription_data: Json = field(default_factory=dict)
    discounts: list[Json] = field(default_factory=list)
    payment_intent_data: Json = field(default_factory=dict)
    invoice_data: Json = field(default_factory=dict)
    tax_rates: dict[str, list[str]] = field(default_factory=dict)
    address: Json | None = None
    saves_address: bool = False

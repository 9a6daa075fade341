"""The table of resources: id prefix, Stripe's word in messages, fields of lists and searches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from stripe_sandbox.objects.catalogue import Coupon, Discount, Price, Product, PromotionCode
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.customers import Customer, CustomerBalanceTransaction
from stripe_sandbox.objects.invoices import Invoice, InvoiceItem, InvoicePayment
from stripe_sandbox.objects.payments import (
    BalanceTransaction,
    Charge,
    Dispute,
    PaymentIntent,
    PaymentMethod,
    Refund,
    SetupIntent,
)
from stripe_sandbox.objects.schedules import SubscriptionSchedule
from stripe_sandbox.objects.sessions import CheckoutSession, PortalConfiguration, PortalSession
from stripe_sandbox.objects.subscriptions import Subscription
from stripe_sandbox.objects.system import Event, TestClock, WebhookEndpoint
from stripe_sandbox.objects.taxes import TaxId, TaxRate


class Searchable(NamedTuple):
    """A field that searches can use.

    Attributes:
        type: `token` is compared as a whole, `string` also in part, `numeric` by size.
        path: Its place in the object, where that is not its name.
    """

    type: Literal["token", "string", "numeric"]
    path: str | None = None


TOKEN, STRING, NUMERIC = Searchable("token"), Searchable("string"), Searchable("numeric")

T_co = TypeVar("T_co", bound=Thing, covariant=True)


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """How one resource is stored and named; `T_co` is the type of its objects.

    Attributes:
        name: The value of the `object` field.
        prefix: What its ids begin with.
        noun: The word in "No such …" messages.
        links: Fields that lists filter on, as dotted paths into the object.
        shown_deleted: Whether a deleted object is still answered, marked as deleted.
        search: Fields of Stripe's search, beside `metadata`; empty where there is no search.
            Source: https://docs.stripe.com/search.
        texts: Those of them whose parts are indexed for the operator `~`.
    """

    name: str
    prefix: str
    noun: str
    links: tuple[str, ...] = ()
    shown_deleted: bool = False
    search: Mapping[str, Searchable] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All indexed fields, as dotted paths."""
        searched = (one.path or name for name, one in self.search.items())
        return tuple(dict.fromkeys([*self.links, *searched]))


BALANCE_TRANSACTION = Kind[BalanceTransaction](
    "balance_transaction", "txn_", "balance transaction", ("source", "type")
)
CHARGE = Kind[Charge](
    "charge",
    "ch_",
    "charge",
    ("customer", "payment_intent"),
    search={
        "amount": NUMERIC,
        "billing_details.address.postal_code": TOKEN,
        "created": NUMERIC,
        "currency": TOKEN,
        "customer": TOKEN,
        "disputed": TOKEN,
        "payment_method_details.card.brand": TOKEN,
        "payment_method_details.card.exp_month": NUMERIC,
        "payment_method_details.card.exp_year": NUMERIC,
        "payment_method_details.card.fingerprint": TOKEN,
        "payment_method_details.card.last4": TOKEN,
        "refunded": TOKEN,
        "status": TOKEN,
    },
)
CHECKOUT_SESSION = Kind[CheckoutSession](
    "checkout.session",
    "cs_test_",
    "checkout.session",
    ("customer", "subscription", "payment_intent", "setup_intent", "invoice", "status"),
)
COUPON = Kind[Coupon]("coupon", "", "coupon")
CUSTOMER = Kind[Customer](
    "customer",
    "cus_",
    "customer",
    ("email", "test_clock"),
    shown_deleted=True,
    search={"created": NUMERIC, "email": STRING, "name": STRING, "phone": STRING},
    texts=("email", "name", "phone"),
)
CUSTOMER_BALANCE_TRANSACTION = Kind[CustomerBalanceTransaction](
    "customer_balance_transaction",
    "cbtxn_",
    "customer balance transaction",
    ("customer", "invoice"),
)
DISCOUNT = Kind[Discount]("discount", "di_", "discount", ("customer", "subscription"))
DISPUTE = Kind[Dispute]("dispute", "du_", "dispute", ("charge", "payment_intent"))
EVENT = Kind[Event](
    "event",
    "evt_",
    "event",
    ("type", "pending_webhooks", "data.object.id", "data.object.customer"),
)
INVOICE = Kind[Invoice](
    "invoice",
    "in_",
    "invoice",
    ("customer", "status", "collection_method", "parent.subscription_details.subscription"),
    search={
        "created": NUMERIC,
        "currency": TOKEN,
        "customer": TOKEN,
        "last_finalization_error_code": Searchable("token", "last_finalization_error.code"),
        "last_finalization_error_type": Searchable("token", "last_finalization_error.type"),
        "number": STRING,
        "receipt_number": STRING,
        "status": TOKEN,
        "subscription": Searchable("token", "parent.subscription_details.subscription"),
        "total": NUMERIC,
    },
)
INVOICE_ITEM = Kind[InvoiceItem](
    "invoiceitem",
    "ii_",
    "invoiceitem",
    ("customer", "invoice", "parent.subscription_details.subscription"),
)
INVOICE_PAYMENT = Kind[InvoicePayment](
    "invoice_payment", "inpay_", "invoice payment", ("invoice", "payment.payment_intent", "status")
)
PAYMENT_INTENT = Kind[PaymentIntent](
    "payment_intent",
    "pi_",
    "payment_intent",
    ("customer", "status"),
    search={
        "amount": NUMERIC,
        "created": NUMERIC,
        "currency": TOKEN,
        "customer": TOKEN,
        "status": TOKEN,
    },
)
PAYMENT_METHOD = Kind[PaymentMethod]("payment_method", "pm_", "PaymentMethod", ("customer", "type"))
PORTAL_CONFIGURATION = Kind[PortalConfiguration](
    "billing_portal.configuration", "bpc_", "configuration", ("active", "is_default")
)
PORTAL_SESSION = Kind[PortalSession](
    "billing_portal.session", "bps_", "billing_portal session", ("customer",)
)
PRICE = Kind[Price](
    "price",
    "price_",
    "price",
    ("active", "currency", "lookup_key", "product", "recurring.interval", "type"),
    search={
        "active": TOKEN,
        "currency": TOKEN,
        "lookup_key": STRING,
        "product": TOKEN,
        "type": TOKEN,
    },
)
PRODUCT = Kind[Product](
    "product",
    "prod_",
    "product",
    ("active", "shippable", "url"),
    search={
        "active": TOKEN,
        "description": STRING,
        "name": STRING,
        "shippable": TOKEN,
        "url": STRING,
    },
    texts=("name", "description"),
)
PROMOTION_CODE = Kind[PromotionCode](
    "promotion_code", "promo_", "promotion code", ("active", "code", "customer")
)
REFUND = Kind[Refund]("refund", "re_", "refund", ("charge", "payment_intent"))
SETUP_INTENT = Kind[SetupIntent](
    "setup_intent", "seti_", "setupintent", ("customer", "payment_method", "status")
)
SUBSCRIPTION = Kind[Subscription](
    "subscription",
    "sub_",
    "subscription",
    (
        "customer",
        "status",
        "collection_method",
        "test_clock",
        "items.data.id",
        "items.data.price",
        "pending_setup_intent",
    ),
    search={"canceled_at": NUMERIC, "created": NUMERIC, "status": TOKEN},
)
SUBSCRIPTION_SCHEDULE = Kind[SubscriptionSchedule](
    "subscription_schedule", "sub_sched_", "subscription schedule", ("customer",)
)
TEST_CLOCK = Kind[TestClock]("test_helpers.test_clock", "clock_", "test clock")
TAX_ID = Kind[TaxId]("tax_id", "txi_", "tax id", ("customer",))
TAX_RATE = Kind[TaxRate](
    "tax_rate",
    "txr_",
    "tax rate",
    ("active", "inclusive", "country", "state", "jurisdiction_level"),
)
WEBHOOK_ENDPOINT = Kind[WebhookEndpoint]("webhook_endpoint", "we_", "webhook endpoint", ("status",))

KINDS: dict[str, Kind[Any]] = {
    kind.name: kind for kind in list(vars().values()) if isinstance(kind, Kind)
}

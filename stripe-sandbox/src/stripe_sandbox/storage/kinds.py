"""The table of resources: id prefix, Stripe's word in messages, fields of lists and searches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple


class Searchable(NamedTuple):
    """A field that searches look into.

    `token` is compared as a whole, `string` in parts as well, `numeric` by size. The path is
    where in the object it stands, if that is not its name.
    """

    type: Literal["token", "string", "numeric"]
    path: str | None = None


TOKEN, STRING, NUMERIC = Searchable("token"), Searchable("string"), Searchable("numeric")


@dataclass(frozen=True)
class Kind:
    """How one resource is stored and named.

    Attributes:
        prefix: What its ids begin with.
        noun: The word in "No such …" messages.
        links: Fields that lists filter on, as dotted paths into the object.
        tombstone: Whether a deleted object is still answered, marked as deleted.
        search: Fields of Stripe's search, beside `metadata`; empty where there is no search.
            Source: https://docs.stripe.com/search.
        texts: Those of them whose parts are indexed for the operator `~`.
    """

    prefix: str
    noun: str
    links: tuple[str, ...] = ()
    tombstone: bool = False
    search: Mapping[str, Searchable] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Everything that is indexed, as dotted paths."""
        searched = (one.path or name for name, one in self.search.items())
        return tuple(dict.fromkeys([*self.links, *searched]))


KINDS: dict[str, Kind] = {
    "balance_transaction": Kind("txn_", "balance transaction", ("source", "type")),
    "billing_portal.configuration": Kind("bpc_", "configuration", ("active",)),
    "billing_portal.session": Kind("bps_", "billing_portal session", ("customer",)),
    "charge": Kind(
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
    ),
    "checkout.session": Kind(
        "cs_test_",
        "checkout.session",
        ("customer", "subscription", "payment_intent", "status", "_waiting"),
    ),
    "coupon": Kind("", "coupon"),
    "customer": Kind(
        "cus_",
        "customer",
        ("email", "test_clock"),
        tombstone=True,
        search={"created": NUMERIC, "email": STRING, "name": STRING, "phone": STRING},
        texts=("email", "name", "phone"),
    ),
    "customer_balance_transaction": Kind(
        "cbtxn_", "customer balance transaction", ("customer", "invoice")
    ),
    "discount": Kind("di_", "discount", ("customer", "subscription")),
    "event": Kind(
        "evt_", "event", ("type", "_delivered", "data.object.id", "data.object.customer")
    ),
    "invoice": Kind(
        "in_",
        "invoice",
        (
            "customer",
            "status",
            "collection_method",
            "parent.subscription_details.subscription",
        ),
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
    ),
    "invoice_payment": Kind(
        "inpay_", "invoice payment", ("invoice", "payment.payment_intent", "status")
    ),
    "invoiceitem": Kind(
        "ii_",
        "invoiceitem",
        ("customer", "invoice", "_pending", "parent.subscription_details.subscription"),
    ),
    "payment_intent": Kind(
        "pi_",
        "payment_intent",
        ("customer", "_invoice", "status"),
        search={
            "amount": NUMERIC,
            "created": NUMERIC,
            "currency": TOKEN,
            "customer": TOKEN,
            "status": TOKEN,
        },
    ),
    "payment_method": Kind("pm_", "PaymentMethod", ("customer", "type")),
    "price": Kind(
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
    ),
    "product": Kind(
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
    ),
    "promotion_code": Kind("promo_", "promotion code", ("active", "code", "customer")),
    "refund": Kind("re_", "refund", ("charge", "payment_intent")),
    "setup_intent": Kind("seti_", "setupintent", ("customer", "payment_method", "status")),
    "subscription": Kind(
        "sub_",
        "subscription",
        ("customer", "status", "collection_method", "test_clock", "_items", "_prices", "_ended"),
        search={"canceled_at": NUMERIC, "created": NUMERIC, "status": TOKEN},
    ),
    "test_helpers.test_clock": Kind("clock_", "test clock"),
    "webhook_endpoint": Kind("we_", "webhook endpoint", ("status",)),
}

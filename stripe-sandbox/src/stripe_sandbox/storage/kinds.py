"""The table of resources: id prefix, Stripe's word in messages, searchable fields."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """How one resource is stored and named.

    Attributes:
        prefix: What its ids begin with.
        noun: The word in "No such …" messages.
        links: Fields that lists filter on, as dotted paths into the object.
        tombstone: Whether a deleted object is still answered, marked as deleted.
    """

    prefix: str
    noun: str
    links: tuple[str, ...] = ()
    tombstone: bool = False


KINDS: dict[str, Kind] = {
    "balance_transaction": Kind("txn_", "balance transaction", ("source", "type")),
    "billing_portal.configuration": Kind("bpc_", "configuration", ("active",)),
    "billing_portal.session": Kind("bps_", "billing_portal session", ("customer",)),
    "charge": Kind("ch_", "charge", ("customer", "payment_intent")),
    "checkout.session": Kind(
        "cs_test_",
        "checkout.session",
        ("customer", "subscription", "payment_intent", "status", "_waiting"),
    ),
    "coupon": Kind("", "coupon"),
    "customer": Kind("cus_", "customer", ("email", "test_clock"), tombstone=True),
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
    ),
    "invoice_payment": Kind(
        "inpay_", "invoice payment", ("invoice", "payment.payment_intent", "status")
    ),
    "invoiceitem": Kind(
        "ii_",
        "invoiceitem",
        ("customer", "invoice", "_pending", "parent.subscription_details.subscription"),
    ),
    "payment_intent": Kind("pi_", "payment_intent", ("customer", "_invoice", "status")),
    "payment_method": Kind("pm_", "PaymentMethod", ("customer", "type")),
    "price": Kind(
        "price_",
        "price",
        ("active", "currency", "lookup_key", "product", "recurring.interval", "type"),
    ),
    "product": Kind("prod_", "product", ("active", "shippable", "url")),
    "promotion_code": Kind("promo_", "promotion code", ("active", "code", "customer")),
    "refund": Kind("re_", "refund", ("charge", "payment_intent")),
    "setup_intent": Kind("seti_", "setupintent", ("customer", "payment_method", "status")),
    "subscription": Kind(
        "sub_",
        "subscription",
        ("customer", "status", "collection_method", "test_clock", "_items", "_prices", "_ended"),
    ),
    "test_helpers.test_clock": Kind("clock_", "test clock"),
    "webhook_endpoint": Kind("we_", "webhook endpoint", ("status",)),
}

"""Facts about Stripe's answers, in a form that any Stripe could be asked.

A fact is a list of requests; each says what of its answer is determined. Words in
braces stand for what an earlier answer contained: `{customer.id}` is the `id` of the
answer that was named `customer`. What a request does not name is not determined.
"""

from dataclasses import dataclass, field
from typing import Any

# The field is left out of the answer.
ABSENT = object()
# The field has a value, which only Stripe knows.
SOME = object()


@dataclass(frozen=True)
class Ask:
    """One request.

    Attributes:
        verb: Its HTTP method.
        path: Below `/v1/`.
        form: What is sent, as in a query string.
        status: The HTTP status of the answer.
        expect: Values by dotted path into the answer; a number is a list's index.
        name: What later requests call the answer.
    """

    verb: str
    path: str
    form: str = ""
    status: int = 200
    expect: dict[str, Any] = field(default_factory=dict)
    name: str = ""


def customer(form: str = "name=Grace") -> Ask:
    """A customer to begin with."""
    return Ask("POST", "customers", form, name="customer")


CARD = Ask("POST", "payment_methods/pm_card_visa/attach", "customer={customer.id}", name="card")
DEFAULT_CARD = Ask(
    "POST", "customers/{customer.id}", "invoice_settings[default_payment_method]={card.id}"
)
PRICE = Ask(
    "POST",
    "prices",
    "currency=usd&unit_amount=2500&recurring[interval]=month"
    "&product_data[name]=Seats&product_data[unit_label]=user",
    name="price",
)
SUBSCRIPTION = Ask(
    "POST",
    "subscriptions",
    "customer={customer.id}&items[0][price]={price.id}&expand[]=latest_invoice.payments",
    name="subscription",
)
SUBSCRIBED = (customer(), CARD, DEFAULT_CARD, PRICE, SUBSCRIPTION)
PAYMENT = Ask(
    "POST",
    "payment_intents",
    "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true"
    "&return_url=https://example.com&expand[]=latest_charge.refunds",
    name="payment",
)


def changed(form: str, **expect: Any) -> Ask:
    """A change to the customer."""
    paths = {path.replace("__", "."): value for path, value in expect.items()}
    return Ask("POST", "customers/{customer.id}", form, expect=paths)


def refused(path: str, form: str, message: str, **error: Any) -> Ask:
    """A request that is refused with a sentence, and with a code and a param where given."""
    expect = {"error.message": message, "error.type": "invalid_request_error"}
    expect |= {f"error.{name}": value for name, value in error.items()}
    return Ask("POST", path, form, 400, expect)


FACTS: dict[str, tuple[Ask, ...]] = {
    "an empty string unsets a customer's text": (
        customer("name=Grace&email=grace@example.com&description=d&phone=1"),
        changed("name=&email=", name=None, email=None, description="d"),
        changed("description=&phone=", description=None, phone=None),
    ),
    "a customer's text may be empty from the start": (
        Ask("POST", "customers", "name=&email=", expect={"name": None, "email": None}),
    ),
    "an empty string unsets a nested text": (
        customer("address[line1]=1 Road&address[city]=Oslo"),
        changed("address[line1]=2 Road&address[city]=", address__city=None),
    ),
    "an empty string unsets a subscription's payment method": (
        *SUBSCRIBED,
        Ask(
            "POST",
            "subscriptions/{subscription.id}",
            "default_payment_method={card.id}",
            expect={"default_payment_method": SOME},
        ),
        Ask(
            "POST",
            "subscriptions/{subscription.id}",
            "default_payment_method=",
            expect={"default_payment_method": None},
        ),
    ),
    "an empty string takes customer and payment method off an intent": (
        customer(),
        CARD,
        Ask(
            "POST",
            "payment_intents",
            "amount=1000&currency=usd&customer={customer.id}&payment_method={card.id}",
            expect={"status": "requires_confirmation"},
            name="payment",
        ),
        Ask(
            "POST",
            "payment_intents/{payment.id}",
            "customer=&payment_method=",
            expect={"customer": None, "payment_method": None, "status": "requires_payment_method"},
        ),
    ),
    "what an object always has cannot be unset": (
        customer(),
        refused(
            "payment_intents",
            "amount=&currency=usd",
            "You passed an empty string for 'amount'. We assume empty values are an attempt to "
            "unset a parameter; however 'amount' cannot be unset. You should remove 'amount' from "
            "your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param="amount",
        ),
        Ask(
            "POST", "subscriptions", "customer=&items[0][price]=p", 400, {"error.param": "customer"}
        ),
        Ask("POST", "products", "name=P&description=", 400, {"error.param": "description"}),
    ),
    "a customer's tax and credit are left out unless they are expanded": (
        customer("name=Grace&expand[]=tax&expand[]=invoice_credit_balance&expand[]=cash_balance"),
        Ask(
            "GET",
            "customers/{customer.id}",
            "expand[]=tax&expand[]=invoice_credit_balance&expand[]=cash_balance",
            expect={
                "tax": {
                    "automatic_tax": "unrecognized_location",
                    "ip_address": None,
                    "location": None,
                    "provider": "stripe",
                },
                "invoice_credit_balance": {},
                "cash_balance.object": "cash_balance",
                "cash_balance.available": None,
            },
        ),
        Ask(
            "GET",
            "customers/{customer.id}",
            expect={
                "tax": ABSENT,
                "invoice_credit_balance": ABSENT,
                "cash_balance": ABSENT,
                "business_name": ABSENT,
            },
        ),
    ),
    "what is to be expanded and has no value stays left out": (
        PRICE,
        Ask("GET", "prices/{price.id}", "expand[]=tiers", expect={"tiers": ABSENT}),
        Ask("POST", "coupons", "percent_off=10", name="coupon", expect={"applies_to": ABSENT}),
        Ask("GET", "coupons/{coupon.id}", "expand[]=applies_to", expect={"applies_to": ABSENT}),
    ),
    "e-mail addresses, currencies and addresses of pages have a format": (
        refused(
            "customers",
            "email=grace",
            "Invalid email address: grace",
            code="email_invalid",
            param="email",
        ),
        Ask("POST", "payment_intents", "amount=100&currency=xyz", 400, {"error.param": "currency"}),
        refused(
            "checkout/sessions",
            "mode=setup&currency=usd&success_url=here",
            "Not a valid URL",
            code="url_invalid",
            param="success_url",
        ),
    ),
    "text has a length": (
        refused(
            "customers",
            "description=" + "x" * 5001,
            "Invalid string: xxxxxxxxxx...xxxxxxxxxx; must be at most 5000 characters",
            param="description",
        ),
        refused(
            "customers",
            "email=" + "x" * 512 + "@example.com",
            "Invalid string: xxxxxxxxxx...xample.com; must be at most 512 characters",
            param="email",
        ),
    ),
    "metadata has 50 keys of 40 characters and values of 500": (
        customer("&".join(f"metadata[k{i}]=v" for i in range(50))),
        refused(
            "customers/{customer.id}",
            "metadata[one]=more",
            "Metadata can have up to 50 keys, but you've set 51. "
            "Email us at support+metadata@stripe.com for more information.",
            param="metadata",
        ),
        refused(
            "customers",
            "metadata[" + "k" * 41 + "]=v",
            "Metadata keys can have up to 40 characters, but you passed in a key that is 41 "
            "characters. Invalid key: " + "k" * 41,
            param="metadata",
        ),
        refused(
            "customers",
            "metadata[k]=" + "v" * 501,
            "Metadata values can have up to 500 characters, but you passed in a value that is 501 "
            "characters. Invalid value: " + "v" * 501,
            param="metadata",
        ),
    ),
    "a payment that might redirect needs a URL to return to": (
        Ask(
            "POST",
            "payment_intents",
            "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true",
            400,
            {"error.type": "invalid_request_error"},
        ),
        Ask(
            "POST",
            "payment_intents",
            "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true"
            "&automatic_payment_methods[enabled]=true"
            "&automatic_payment_methods[allow_redirects]=never",
            expect={"status": "succeeded"},
        ),
        Ask(
            "POST",
            "payment_intents",
            "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true"
            "&payment_method_types[]=card",
            expect={"status": "succeeded"},
        ),
    ),
    "a token is a customer's source, which its subscriptions are charged to": (
        Ask(
            "POST",
            "customers",
            "source=tok_visa",
            expect={"default_source": SOME, "invoice_settings.default_payment_method": None},
            name="customer",
        ),
        PRICE,
        Ask(
            "POST",
            "subscriptions",
            "customer={customer.id}&items[0][price]={price.id}",
            expect={"status": "active"},
        ),
    ),
    "a payment of nothing is refused": (
        Ask(
            "POST",
            "payment_intents",
            "amount=0&currency=usd",
            400,
            {"error.code": "parameter_invalid_integer", "error.param": "amount"},
        ),
    ),
    "a subscription of one item shows its plan and quantity": (
        *SUBSCRIBED,
        Ask(
            "GET",
            "subscriptions/{subscription.id}",
            expect={
                "plan.id": "{price.id}",
                "quantity": 1,
                "items.total_count": 1,
                "billing_mode.type": "flexible",
                "billing_mode.updated_at": SOME,
            },
        ),
    ),
    "an invoice counts its lines and names the unit": (
        *SUBSCRIBED,
        Ask(
            "GET",
            "invoices/{subscription.latest_invoice.id}",
            expect={
                "lines.total_count": 1,
                "lines.data.0.description": "1 user × Seats (at $25.00 / month)",  # noqa: RUF001
                "lines.data.0.subscription": ABSENT,
                "payments": ABSENT,
                "confirmation_secret": ABSENT,
                "threshold_reason": ABSENT,
                "webhooks_delivered_at": SOME,
                "parent.subscription_details.subscription_proration_date": ABSENT,
            },
        ),
        Ask(
            "GET",
            "invoice_payments",
            "invoice={subscription.latest_invoice.id}",
            name="paid",
            expect={"data.0.payment.charge": ABSENT, "data.0.payment.type": "payment_intent"},
        ),
        Ask(
            "GET",
            "payment_intents/{paid.data.0.payment.payment_intent}",
            expect={
                "description": "Subscription creation",
                "payment_details.customer_reference": None,
                "payment_details.order_reference": SOME,
            },
        ),
    ),
    "a charge shows what the card's network answered": (
        PAYMENT,
        Ask(
            "GET",
            "charges/{payment.latest_charge.id}",
            "expand[]=refunds",
            expect={
                "destination": None,
                "dispute": None,
                "order": None,
                "outcome.network_decline_code": None,
                "outcome.rule": ABSENT,
                "payment_method_details.card.authorization_code": SOME,
                "payment_method_details.card.capture_before": ABSENT,
                "payment_method_details.card.network_transaction_id": SOME,
                "radar_options": {},
                "fraud_details": {},
                "refunds.total_count": 0,
            },
        ),
        Ask(
            "GET",
            "payment_intents/{payment.id}",
            expect={"payment_details": ABSENT, "amount_details": {"tip": {}}},
        ),
    ),
    "an empty draft is an invoice of nothing": (
        *SUBSCRIBED,
        Ask(
            "POST",
            "invoices",
            "customer={customer.id}&subscription={subscription.id}",
            expect={"status": "draft", "amount_due": 0, "billing_reason": "manual"},
            name="draft",
        ),
        Ask("POST", "invoices/{draft.id}/pay", expect={"status": "paid", "attempt_count": 0}),
    ),
    "invoice items stand before subscription items, and cover the period": (
        customer(),
        CARD,
        DEFAULT_CARD,
        PRICE,
        Ask("POST", "products", "name=Shirt", name="shirt"),
        Ask(
            "POST",
            "subscriptions",
            "customer={customer.id}&items[0][price]={price.id}&expand[]=latest_invoice"
            "&add_invoice_items[0][price_data][product]={shirt.id}"
            "&add_invoice_items[0][price_data][currency]=usd"
            "&add_invoice_items[0][price_data][unit_amount]=1500",
            expect={
                "latest_invoice.lines.data.0.description": "Shirt",
                "latest_invoice.lines.data.0.parent.type": "invoice_item_details",
                "latest_invoice.lines.data.0.parent.invoice_item_details.subscription": SOME,
                "latest_invoice.lines.data.1.parent.type": "subscription_item_details",
                "latest_invoice.lines.total_count": 2,
                "latest_invoice.total": 4000,
            },
        ),
    ),
    "an item's own discount is in the subtotal, and its price is made for it": (
        customer(),
        CARD,
        DEFAULT_CARD,
        Ask("POST", "coupons", "percent_off=50&duration=forever", name="coupon"),
        Ask("POST", "invoices", "customer={customer.id}", name="draft"),
        Ask(
            "POST",
            "invoiceitems",
            "customer={customer.id}&invoice={draft.id}&amount=1900&discounts[0][coupon]={coupon.id}",
            expect={
                "pricing.price_details.price": SOME,
                "pricing.unit_amount_decimal": "1900",
                "discounts.0": SOME,
            },
        ),
        Ask(
            "POST",
            "invoices/{draft.id}/pay",
            expect={
                "lines.data.0.amount": 1900,
                "lines.data.0.discount_amounts.0.amount": 950,
                "lines.data.0.pretax_credit_amounts.0.credit_balance_transaction": ABSENT,
                "subtotal": 950,
                "total": 950,
                "total_discount_amounts.0.amount": 950,
            },
        ),
    ),
    "an invoice item may be described by a price": (
        customer(),
        Ask("POST", "products", "name=Shirt", name="shirt"),
        Ask(
            "POST",
            "invoiceitems",
            "customer={customer.id}&price_data[product]={shirt.id}&price_data[currency]=usd"
            "&price_data[unit_amount]=700&quantity=2",
            expect={"amount": 1400, "pricing.price_details.product": "{shirt.id}"},
        ),
    ),
    "a charge that is answered at once is booked a moment later": (
        Ask(
            "POST",
            "payment_intents",
            "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true"
            "&return_url=https://example.com&expand[]=latest_charge",
            expect={
                "capture_method": "automatic_async",
                "latest_charge.balance_transaction": None,
            },
        ),
    ),
    "money that is held has a time until which it can be captured": (
        Ask(
            "POST",
            "payment_intents",
            "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true"
            "&capture_method=manual&return_url=https://example.com&expand[]=latest_charge",
            expect={
                "status": "requires_capture",
                "latest_charge.payment_method_details.card.capture_before": SOME,
            },
        ),
    ),
    "a Checkout session that saves a card has its setup intent at once": (
        customer("email=grace@example.com"),
        Ask(
            "POST",
            "checkout/sessions",
            "customer={customer.id}&mode=setup&currency=usd&success_url=https://example.com",
            expect={
                "setup_intent": SOME,
                "customer_details.email": "grace@example.com",
                "customer_details.tax_exempt": None,
                "collected_information.shipping_details": None,
                "phone_number_collection": {"enabled": False},
                "discounts": None,
                "total_details": None,
                "invoice_creation": None,
                "return_url": ABSENT,
            },
        ),
    ),
    "a Checkout session that subscribes has no discounts, which is a list": (
        customer("email=grace@example.com"),
        PRICE,
        Ask(
            "POST",
            "checkout/sessions",
            "customer={customer.id}&mode=subscription&success_url=https://example.com"
            "&line_items[0][price]={price.id}&line_items[0][quantity]=1",
            expect={
                "setup_intent": None,
                "customer_details.tax_exempt": "none",
                "discounts": [],
                "adaptive_pricing": {"enabled": True},
                "payment_method_collection": "always",
                "total_details.amount_tax": 0,
                "total_details.breakdown": ABSENT,
            },
        ),
    ),
    "expansion goes on through plain lists, and ends where there is nothing to expand": (
        customer(),
        CARD,
        DEFAULT_CARD,
        PRICE,
        Ask("POST", "coupons", "percent_off=10&duration=forever", name="coupon"),
        Ask(
            "POST",
            "subscriptions",
            "customer={customer.id}&items[0][price]={price.id}&discounts[0][coupon]={coupon.id}"
            "&expand[]=latest_invoice.total_discount_amounts.discount",
            expect={
                "latest_invoice.total_discount_amounts.0.amount": 250,
                "latest_invoice.total_discount_amounts.0.discount.object": "discount",
            },
            name="discounted",
        ),
        Ask(
            "GET",
            "subscriptions/{discounted.id}",
            "expand[]=default_tax_rates",
            400,
            {"error.message": "This property cannot be expanded (default_tax_rates)."},
        ),
    ),
    "a card has metadata, and the digits of its test card": (
        customer(),
        Ask(
            "POST",
            "payment_methods/pm_card_amex/attach",
            "customer={customer.id}",
            expect={"metadata": {}, "card.last4": "8431", "card.display_brand": "american_express"},
        ),
        Ask(
            "POST",
            "payment_methods/pm_card_discover/attach",
            "customer={customer.id}",
            expect={"card.last4": "9424", "card.iin": ABSENT},
        ),
        Ask("GET", "payment_methods/pm_card_authenticationRequired", expect={"card.country": "DE"}),
    ),
}

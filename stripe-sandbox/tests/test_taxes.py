"""Taxes by rates that are named, and by the customer's address."""

from typing import Any

import pytest
import stripe

from tests.scenes import BASIC, DAY, Scene

BERLIN = {"country": "DE", "postal_code": "10115", "city": "Berlin", "line1": "Invalidenstr. 1"}
SEATTLE = {"country": "US", "postal_code": "98104", "state": "WA"}
AUTOMATIC = {"enabled": True}


def rate(scene: Scene, percentage: float, *, inclusive: bool) -> Any:
    """A tax rate."""
    values = {"display_name": "Tax", "percentage": percentage, "inclusive": inclusive}
    return scene.v1.tax_rates.create(values)


def amounts(invoice: Any) -> tuple[int, int, int, int]:
    """Subtotal, subtotal and total without tax, total."""
    return (
        invoice.subtotal,
        invoice.subtotal_excluding_tax,
        invoice.total_excluding_tax,
        invoice.total,
    )


def test_an_exclusive_rate_is_added_and_an_inclusive_one_contained(scene: Scene) -> None:
    """1,000 become 1,190 or stay 1,000; the line and the invoice say what the tax is."""
    added = scene.subscription(
        scene.customer(), default_tax_rates=[rate(scene, 19, inclusive=False).id]
    ).latest_invoice
    contained = scene.subscription(
        scene.customer(), default_tax_rates=[rate(scene, 25, inclusive=True).id]
    ).latest_invoice

    assert amounts(added) == (1000, 1000, 1000, 1190)
    assert amounts(contained) == (1000, 800, 800, 1000)
    assert added.amount_paid == 1190
    tax = added.lines.data[0].taxes[0]
    assert (tax.amount, tax.tax_behavior, tax.taxable_amount) == (190, "exclusive", 1000)
    assert [(one.amount, one.tax_behavior) for one in contained.total_taxes] == [(200, "inclusive")]


def test_an_items_own_rate_wins_and_tax_follows_discounts(scene: Scene) -> None:
    """Half off first, then the item's ten percent instead of the default."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    own, default = rate(scene, 10, inclusive=False).id, rate(scene, 20, inclusive=False).id

    subscription = scene.subscription(
        scene.customer(),
        items=[{"price": BASIC, "tax_rates": [own]}],
        default_tax_rates=[default],
        discounts=[{"coupon": coupon.id}],
    )

    assert amounts(subscription.latest_invoice) == (1000, 1000, 500, 550)
    assert subscription["items"].data[0].tax_rates[0].id == own
    assert subscription.default_tax_rates[0].id == default


def test_a_credit_gives_its_tax_back(scene: Scene) -> None:
    """Prorations are taxed like the item that they change."""
    subscription = scene.on_a_clock().subscription(
        scene.customer(),
        items=[{"price": BASIC, "tax_rates": [rate(scene, 10, inclusive=False).id]}],
    )
    scene.after(15 * DAY)
    item = subscription["items"].data[0].id

    changed = scene.v1.subscriptions.update(
        subscription.id,
        {
            "items": [{"id": item, "quantity": 2}],
            "proration_behavior": "always_invoice",
            "expand": ["latest_invoice"],
        },
    )

    invoice = changed.latest_invoice
    assert [line.taxes[0].amount for line in invoice.lines.data] == [
        round(line.amount / 10) for line in invoice.lines.data
    ]
    assert invoice.total > invoice.subtotal > 0


def test_items_and_invoices_by_hand_are_taxed(scene: Scene) -> None:
    """An item's rate before the invoice's; a draft is totalled again when they change."""
    v1, customer = scene.v1, scene.customer()
    ten, twenty = (rate(scene, percentage, inclusive=False).id for percentage in (10, 20))
    item = {"customer": customer.id, "currency": "usd", "amount": 1000}
    v1.invoice_items.create({**item, "tax_rates": [ten]})
    v1.invoice_items.create(item)

    invoice = v1.invoices.create(
        {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    )
    updated = v1.invoices.update(invoice.id, {"default_tax_rates": [twenty]})

    assert (invoice.total, updated.total) == (2100, 2300)
    assert updated.default_tax_rates[0].percentage == 20


@pytest.mark.parametrize(
    ("address", "price", "expected", "tax_type"),
    [
        (SEATTLE, {"currency": "usd"}, 1065, "sales_tax"),
        ({"country": "US", "postal_code": "97201"}, {"currency": "usd"}, 1000, "sales_tax"),
        ({"country": "CA", "postal_code": "M5V 2T6"}, {"currency": "cad"}, 1130, "hst"),
        (BERLIN, {"currency": "eur"}, 1000, "vat"),
        (BERLIN, {"currency": "eur", "tax_behavior": "exclusive"}, 1190, "vat"),
        (BERLIN, {"currency": "usd", "tax_behavior": "inclusive"}, 1000, "vat"),
    ],
)
def test_automatic_tax_follows_the_address(
    scene: Scene, address: Any, price: Any, expected: int, tax_type: str
) -> None:
    """Sales tax is added, value added tax in euros is contained, unless the price says other."""
    customer = scene.customer(address=address)
    wanted = {
        **price,
        "unit_amount": 1000,
        "recurring": {"interval": "month"},
        "product_data": {"name": "Taxed"},
    }
    made = scene.v1.prices.create(wanted)

    subscription = scene.subscription(customer, made.id, automatic_tax=AUTOMATIC)

    invoice = subscription.latest_invoice
    assert invoice.total == expected
    assert (invoice.automatic_tax.status, invoice.automatic_tax.provider) == ("complete", "stripe")
    found = scene.v1.tax_rates.retrieve(invoice.total_taxes[0].tax_rate_details.tax_rate)
    assert (found.tax_type, found.country) == (tax_type, address["country"])
    assert subscription.automatic_tax.enabled


@pytest.mark.parametrize(
    "address", [None, {"country": "US"}, {"country": "US", "state": "WA"}, {"city": "Berlin"}]
)
def test_automatic_tax_needs_an_address(scene: Scene, address: Any) -> None:
    """Without one that says where the customer is, a subscription is refused by name."""
    customer = scene.customer(**({"address": address} if address else {}))

    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.subscription(customer, automatic_tax=AUTOMATIC)

    assert refused.value.code == "customer_tax_location_invalid"
    seen = scene.v1.customers.retrieve(customer.id, {"expand": ["tax"]})
    assert (seen.tax.automatic_tax, seen.tax.location) == ("unrecognized_location", None)


def test_an_address_is_validated_on_request(scene: Scene) -> None:
    """`tax[validate_location]=immediately` refuses what automatic tax could not use."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.customer(None, address={"country": "US"}, tax={"validate_location": "immediately"})
    good = scene.customer(None, address=BERLIN, tax={"validate_location": "immediately"})

    assert refused.value.code == "customer_tax_location_invalid"
    seen = scene.v1.customers.retrieve(good.id, {"expand": ["tax"]})
    assert (seen.tax.automatic_tax, seen.tax.location.country) == ("supported", "DE")
    assert seen.tax.location.source == "billing_address"


def test_a_draft_without_an_address_cannot_be_finalised(scene: Scene) -> None:
    """It says what it needs; with an address it is taxed and goes on."""
    v1, customer = scene.v1, scene.customer()
    draft = v1.invoices.create({"customer": customer.id, "automatic_tax": AUTOMATIC})
    v1.invoice_items.create(
        {"customer": customer.id, "currency": "usd", "amount": 1000, "invoice": draft.id}
    )

    with pytest.raises(stripe.InvalidRequestError) as refused:
        v1.invoices.finalize_invoice(draft.id)
    v1.customers.update(customer.id, {"address": SEATTLE})
    finalized = v1.invoices.finalize_invoice(draft.id)

    assert draft.automatic_tax.status == "requires_location_inputs"
    assert refused.value.code == "customer_tax_location_invalid"
    assert (finalized.status, finalized.total) == ("open", 1065)


def test_a_renewal_without_an_address_goes_on_without_tax(scene: Scene) -> None:
    """The invoice and its subscription say that and why automatic tax was disabled."""
    customer = scene.on_a_clock().customer(address=SEATTLE)
    subscription = scene.subscription(customer, automatic_tax=AUTOMATIC)
    scene.v1.customers.update(customer.id, {"address": ""})

    scene.after(32 * DAY)

    seen = scene.seen(subscription)
    tax = seen.latest_invoice.automatic_tax
    assert (seen.latest_invoice.status, seen.latest_invoice.total) == ("paid", 1000)
    assert (tax.enabled, tax.disabled_reason) == (False, "finalization_requires_location_inputs")
    assert seen.automatic_tax.disabled_reason == "requires_location_inputs"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"tax_exempt": "exempt"}, "customer_exempt"),
        ({"tax_exempt": "reverse"}, "reverse_charge"),
        ({"tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}]}, "reverse_charge"),
    ],
)
def test_some_customers_pay_no_tax(scene: Scene, values: Any, reason: str) -> None:
    """An exempt customer, and a business of the European Union."""
    customer = scene.customer(address=BERLIN, **values)

    invoice = scene.subscription(customer, automatic_tax=AUTOMATIC).latest_invoice

    assert invoice.total == 1000
    assert [(one.amount, one.taxability_reason) for one in invoice.total_taxes] == [(0, reason)]


def test_a_tax_id_that_cannot_be_one_is_refused(scene: Scene) -> None:
    """And another customer's is not found."""
    customer, other = scene.customer(None), scene.customer(None)
    tax_ids = scene.v1.customers.tax_ids
    theirs = tax_ids.create(other.id, {"type": "eu_vat", "value": "DE123456789"})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        tax_ids.create(customer.id, {"type": "eu_vat", "value": "123"})
    with pytest.raises(stripe.InvalidRequestError, match="No such tax id"):
        tax_ids.retrieve(customer.id, theirs.id)

    assert (refused.value.code, refused.value.param) == ("tax_id_invalid", "value")
    assert (theirs.country, theirs.verification.status) == ("DE", "unavailable")


def test_previews_show_automatic_tax(scene: Scene) -> None:
    """Of a subscription, of one that does not exist yet, and of a customer's items."""
    v1, customer = scene.v1, scene.customer(address=SEATTLE)
    subscription = scene.subscription(customer)
    details = {"items": [{"price": BASIC}]}

    of_subscription = v1.invoices.create_preview(
        {"subscription": subscription.id, "automatic_tax": AUTOMATIC}
    )
    of_new = v1.invoices.create_preview(
        {"customer": customer.id, "subscription_details": details, "automatic_tax": AUTOMATIC}
    )
    v1.invoice_items.create({"customer": customer.id, "currency": "usd", "amount": 2000})
    of_items = v1.invoices.create_preview({"customer": customer.id, "automatic_tax": AUTOMATIC})

    assert [one.total for one in (of_subscription, of_new, of_items)] == [1065, 1065, 2130]
    assert not v1.subscriptions.retrieve(subscription.id).automatic_tax.enabled

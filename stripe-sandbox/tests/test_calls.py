"""stripe-python drives every covered call; the server checks each response strictly.

A response with a field missing or too many is a 500 here, so a call that
succeeds has the shape of the pinned version.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from stripe_sandbox import resources
from stripe_sandbox.api.registry import HANDLERS
from tests.recorder import Recorder, driven
from tests.scenes import BASIC, PRO, Scene, intent_of
from tests.server import wait_until


@pytest.fixture
def v1(scene: Scene) -> Any:
    """The SDK's v1 services, recorded."""
    resources.load()
    return Recorder(scene.v1)


def test_products_and_prices(v1: Any) -> None:
    """A product gets prices; a lookup key moves from one to the next."""
    product = v1.products.create({"name": "Tea", "metadata": {"leaf": "green"}})
    described = {"currency": "usd", "unit_amount": 500, "recurring": {"interval": "month"}}
    price = v1.prices.create({**described, "product": product.id, "lookup_key": "tea"})
    moved = {"lookup_key": "tea", "transfer_lookup_key": True}
    raised = v1.prices.create({**described, "product": product.id, **moved})
    v1.products.update(product.id, {"default_price": raised.id, "metadata": {"leaf": ""}})

    expanded = v1.products.retrieve(product.id, {"expand": ["default_price"]})
    assert expanded.default_price.id == raised.id
    assert expanded.metadata.to_dict() == {}
    assert v1.prices.retrieve(price.id).lookup_key is None
    assert [p.id for p in v1.prices.list({"lookup_keys": ["tea"]}).data] == [raised.id]
    assert v1.prices.update(price.id, {"active": False}).active is False
    found = v1.prices.search({"query": f"product:'{product.id}' AND active:'true'"})
    assert [p.id for p in found.data] == [raised.id]
    inline = v1.prices.create({**described, "product_data": {"name": "Made with its price"}})
    assert v1.products.retrieve(inline.product).name == "Made with its price"


def test_a_product_without_prices_can_be_deleted(v1: Any) -> None:
    """Deleting answers the id, marked as deleted."""
    product = v1.products.create({"name": "Gone", "id": "prod_gone"})
    assert v1.products.delete(product.id).deleted
    assert not v1.products.search({"query": "name:'Gone'"}).data
    assert v1.products.list({"limit": 1}).data


def test_customers(v1: Any, scene: Scene) -> None:
    """Created, found, changed, expanded, deleted; still answered as deleted."""
    customer = scene.customer(email="ada@example.com", metadata={"crew": "7"})
    address = {"line1": "1 Main St", "city": "Oslo", "country": "NO"}
    v1.customers.update(customer.id, {"address": address, "metadata": {"rank": "1"}})

    expand = ["subscriptions", "invoice_settings.default_payment_method", "tax_ids", "sources"]
    seen = v1.customers.retrieve(customer.id, {"expand": expand})
    assert (seen.address.city, seen.address.line2) == ("Oslo", None)
    assert seen.invoice_settings.default_payment_method.card.last4 == "4242"
    assert seen.metadata.to_dict() == {"crew": "7", "rank": "1"}
    found = v1.customers.search({"query": "metadata['crew']:'7'"})
    assert [c.id for c in found.data] == [customer.id]
    assert v1.customers.list({"email": "ada@example.com"}).data[0].id == customer.id
    assert v1.customers.create().delinquent is False
    assert v1.customers.delete(customer.id).deleted
    assert v1.customers.retrieve(customer.id).deleted


def test_deleting_a_customer_ends_the_subscription(v1: Any, scene: Scene) -> None:
    """Nothing goes on billing a customer who is gone."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    v1.customers.delete(customer.id)
    assert scene.seen(subscription).status == "canceled"


def test_a_customers_balance(v1: Any, scene: Scene) -> None:
    """A credit by hand pays for the next invoice."""
    customer = scene.customer()
    transactions = v1.customers.balance_transactions
    credit = transactions.create(customer.id, {"amount": -1500, "currency": "usd"})
    subscription = scene.subscription(customer)

    assert transactions.retrieve(customer.id, credit.id).ending_balance == -1500
    assert len(transactions.list(customer.id).data) == 2
    invoice = subscription.latest_invoice
    assert (subscription.status, invoice.amount_due, invoice.ending_balance) == ("active", 0, -500)


def test_payment_methods(v1: Any, scene: Scene) -> None:
    """Made from a token, attached, changed, listed, taken off."""
    customer = scene.customer(None)
    method = v1.payment_methods.create(
        {"type": "card", "card": {"token": "tok_mastercard"}, "billing_details": {"name": "Ada"}}
    )
    v1.payment_methods.attach(method.id, {"customer": customer.id})
    v1.payment_methods.update(method.id, {"card": {"exp_month": 3}, "metadata": {"a": "b"}})

    assert v1.payment_methods.retrieve(method.id).card.brand == "mastercard"
    assert len(v1.payment_methods.list({"customer": customer.id, "type": "card"}).data) == 1
    assert len(v1.customers.payment_methods.list(customer.id).data) == 1
    assert v1.customers.payment_methods.retrieve(customer.id, method.id).card.exp_month == 3
    assert v1.payment_methods.detach(method.id).customer is None
    assert not v1.payment_methods.list({"customer": customer.id}).data


def test_payment_intents_and_charges(v1: Any, scene: Scene) -> None:
    """Created, changed, confirmed, charged, captured, canceled, found."""
    customer = scene.customer()
    card = customer.invoice_settings.default_payment_method
    base = {"amount": 2000, "currency": "usd", "customer": customer.id}
    intent = v1.payment_intents.create(base)
    v1.payment_intents.update(intent.id, {"metadata": {"order": "42"}, "description": "Tea"})
    paid = v1.payment_intents.confirm(
        intent.id, {"payment_method": card, "return_url": "https://example.com"}
    )
    held = v1.payment_intents.create(
        {**base, "payment_method": card, "confirm": True, "capture_method": "manual"}
        | {"return_url": "https://example.com"}
    )

    assert paid.status == "succeeded"
    expanded = v1.payment_intents.retrieve(paid.id, {"expand": ["latest_charge", "customer"]})
    assert expanded.latest_charge.outcome.type == "authorized"
    assert held.status == "requires_capture"
    assert v1.payment_intents.capture(held.id, {"amount_to_capture": 1500}).amount_received == 1500
    canceled = v1.payment_intents.create(base)
    assert v1.payment_intents.cancel(canceled.id).status == "canceled"
    assert len(v1.payment_intents.list({"customer": customer.id}).data) == 3
    assert v1.payment_intents.search({"query": "metadata['order']:'42'"}).data[0].id == intent.id
    charge = v1.charges.retrieve(paid.latest_charge, {"expand": ["refunds", "payment_intent"]})
    assert v1.charges.update(charge.id, {"metadata": {"seen": "yes"}}).metadata["seen"] == "yes"
    assert v1.charges.list({"customer": customer.id}).data
    assert v1.charges.search({"query": f"customer:'{customer.id}'"}).data


def test_refunds(v1: Any, scene: Scene) -> None:
    """A part, then the rest; the charge knows."""
    intent = intent_of(scene.subscription(scene.customer()))
    part = v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    rest = v1.refunds.create({"charge": intent.latest_charge, "reason": "requested_by_customer"})

    entries = v1.balance_transactions.list({"source": rest.id}).data
    charged = v1.charges.retrieve(intent.latest_charge, {"expand": ["balance_transaction"]})
    entry = v1.balance_transactions.retrieve(charged.balance_transaction.id)
    assert (part.amount, rest.amount) == (400, 600)
    assert (entry.amount, entry.fee, entry.net) == (1000, 59, 941)
    assert [one.amount for one in entries] == [-600]
    assert v1.charges.retrieve(intent.latest_charge).refunded
    assert v1.refunds.update(part.id, {"metadata": {"why": "late"}}).metadata["why"] == "late"
    assert v1.refunds.retrieve(part.id).charge == intent.latest_charge
    assert len(v1.refunds.list({"payment_intent": intent.id}).data) == 2


def test_sources(v1: Any, scene: Scene) -> None:
    """A token saves a card of the old kind; it pays until it is taken off again."""
    customer = scene.customer(None)
    sources = v1.customers.payment_sources
    card = sources.create(customer.id, {"source": "tok_visa", "metadata": {"a": "b"}})
    sources.create(customer.id, {"source": "tok_mastercard"})
    renamed = sources.update(customer.id, card.id, {"name": "Grace", "exp_month": "3"})
    paid = scene.subscription(customer)

    assert (card.object, card.brand, card.last4) == ("card", "Visa", "4242")
    assert (renamed.name, renamed.exp_month) == ("Grace", 3)
    assert sources.retrieve(customer.id, card.id).metadata.a == "b"
    listed = v1.customers.retrieve(customer.id, {"expand": ["sources"]})
    assert (listed.default_source, listed.sources.total_count) == (card.id, 2)
    assert paid.status == "active"
    assert sources.delete(customer.id, card.id).deleted
    assert len(sources.list(customer.id).data) == 1
    types = [event.type for event in scene.events(card.id)]
    assert "customer.source.created" in types
    assert "customer.source.updated" in types
    assert "customer.source.deleted" in types


def test_setup_intents(v1: Any, scene: Scene) -> None:
    """A card saved at once, a card saved after 3-D Secure, an intent given up."""
    customer = scene.customer(None)
    intent = v1.setup_intents.create({"customer": customer.id})
    v1.setup_intents.update(intent.id, {"metadata": {"a": "b"}})
    saved = v1.setup_intents.confirm(
        intent.id, {"payment_method": "pm_card_visa", "return_url": "https://example.com"}
    )
    challenged = v1.setup_intents.create(
        {
            "customer": customer.id,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "confirm": True,
            "return_url": f"{scene.server.url}/healthz",
        }
    )
    url = challenged.next_action.redirect_to_url.url
    scene.authenticates(challenged.id)

    assert saved.status == "succeeded"
    assert challenged.status == "requires_action"
    assert url.endswith(f"/hosted/authenticate/{challenged.id}")
    assert v1.setup_intents.retrieve(challenged.id).status == "succeeded"
    assert len(v1.payment_methods.list({"customer": customer.id}).data) == 2
    given_up = v1.setup_intents.create({"customer": customer.id})
    assert v1.setup_intents.cancel(given_up.id).status == "canceled"
    assert len(v1.setup_intents.list({"customer": customer.id}).data) == 3


def test_subscriptions(v1: Any, scene: Scene) -> None:
    """Created, read, listed by status and price, found, changed, canceled."""
    customer = scene.customer()
    subscription = v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": BASIC, "quantity": 2}],
            "metadata": {"attempt": "a1"},
            "add_invoice_items": [{"price": _fee(v1)}],
            "off_session": True,
            "expand": ["latest_invoice.lines", "customer", "default_payment_method"],
        }
    )
    item = subscription["items"].data[0]

    assert subscription.latest_invoice.total == 2000 + 700
    assert (item.price.id, item.plan.id, item.quantity) == (BASIC, BASIC, 2)
    assert v1.subscriptions.retrieve(subscription.id).metadata["attempt"] == "a1"
    assert v1.subscriptions.list({"customer": customer.id, "price": BASIC}).data
    assert not v1.subscriptions.list({"customer": customer.id, "price": PRO}).data
    found = v1.subscriptions.search({"query": "metadata['attempt']:'a1' AND status:'active'"})
    assert [s.id for s in found.data] == [subscription.id]
    v1.subscriptions.update(subscription.id, {"description": "Tea", "metadata": {"b": "2"}})
    details = {"cancellation_details": {"comment": "moving", "feedback": "unused"}}
    canceled = v1.subscriptions.cancel(subscription.id, details)
    assert (canceled.status, canceled.cancellation_details.feedback) == ("canceled", "unused")
    assert not v1.subscriptions.list({"customer": customer.id}).data
    for status in ("all", "canceled", "ended"):
        listed = v1.subscriptions.list({"customer": customer.id, "status": status})
        assert len(listed.data) == 1


def _fee(v1: Any) -> str:
    price = {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Set-up"}}
    return str(v1.prices.create(price).id)


def test_canceling_with_proration_gives_the_rest_back(v1: Any, scene: Scene) -> None:
    """`prorate` and `invoice_now` turn the unused month into balance."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})
    assert v1.customers.retrieve(customer.id).balance == -1000


def test_pause_resume_and_discounts_of_a_subscription(v1: Any, scene: Scene) -> None:
    """Paused and resumed at once; a discount can be taken off."""
    coupon = v1.coupons.create({"percent_off": 10, "duration": "forever"})
    subscription = scene.subscription(scene.customer(), discounts=[{"coupon": coupon.id}])
    expanded = v1.subscriptions.retrieve(subscription.id, {"expand": ["discounts.source.coupon"]})

    assert subscription.latest_invoice.total == 900
    assert expanded.discounts[0].source.coupon.percent_off == 10
    assert v1.subscriptions.delete_discount(subscription.id).deleted
    assert v1.subscriptions.retrieve(subscription.id).discounts == []
    assert v1.subscriptions.pause(subscription.id).status == "paused"
    assert v1.subscriptions.resume(subscription.id).status == "active"


def test_subscription_items(v1: Any, scene: Scene) -> None:
    """Added, changed, listed, taken off; the last one stays."""
    subscription = scene.subscription(scene.customer())
    items = v1.subscription_items
    added = items.create({"subscription": subscription.id, "price": PRO, "quantity": 3})
    items.update(added.id, {"quantity": 2, "proration_behavior": "none"})

    assert items.retrieve(added.id).quantity == 2
    assert len(items.list({"subscription": subscription.id}).data) == 2
    assert items.delete(added.id).deleted
    assert len(items.list({"subscription": subscription.id}).data) == 1


def test_invoices_by_hand(v1: Any, scene: Scene) -> None:
    """Items are drafted, finalised, paid; other drafts are deleted, voided, written off."""
    customer = scene.customer()
    item = v1.invoice_items.create({"customer": customer.id, "amount": 900, "currency": "usd"})
    v1.invoice_items.update(item.id, {"description": "Consulting"})
    invoice = v1.invoices.create(
        {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    )
    v1.invoices.update(invoice.id, {"description": "March"})
    finalized = v1.invoices.finalize_invoice(invoice.id)
    paid = v1.invoices.pay(invoice.id, {"expand": ["payments", "confirmation_secret"]})

    assert (invoice.status, invoice.amount_due, finalized.status) == ("draft", 900, "open")
    assert (paid.status, paid.payments.data[0].status) == ("paid", "paid")
    assert v1.invoices.line_items.list(invoice.id).data[0].description == "Consulting"
    assert v1.invoice_items.retrieve(item.id).invoice == invoice.id
    assert v1.invoices.list({"customer": customer.id, "status": "paid"}).data
    assert v1.invoices.search({"query": f"number:'{paid.number}'"}).data
    payment = v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    seen = v1.invoice_payments.retrieve(payment.id, {"expand": ["payment.payment_intent"]})
    assert seen.payment.payment_intent.status == "succeeded"
    waiting = v1.invoice_items.create({"customer": customer.id, "amount": 100, "currency": "usd"})
    assert len(v1.invoice_items.list({"customer": customer.id, "pending": True}).data) == 1
    assert v1.invoice_items.delete(waiting.id).deleted
    assert v1.invoices.delete(v1.invoices.create({"customer": customer.id}).id).deleted
    assert v1.invoices.void_invoice(_open(v1, customer.id)).status == "void"
    assert v1.invoices.mark_uncollectible(_open(v1, customer.id)).status == "uncollectible"
    assert v1.invoices.send_invoice(_open(v1, customer.id)).status == "open"
    outside = v1.invoices.pay(_open(v1, customer.id), {"paid_out_of_band": True})
    assert (outside.status, outside.amount_paid) == ("paid", 0)
    assert v1.invoices.retrieve(invoice.id).id == invoice.id


def _open(v1: Any, customer: str) -> str:
    invoice = v1.invoices.create({"customer": customer, "auto_advance": False})
    v1.invoice_items.create(
        {"customer": customer, "amount": 800, "currency": "usd", "invoice": invoice.id}
    )
    return str(v1.invoices.finalize_invoice(invoice.id).id)


def test_an_invoice_can_be_paid_with_another_card(v1: Any, scene: Scene) -> None:
    """An open first invoice is paid by naming a good card, and the subscription starts."""
    customer = scene.customer("pm_card_chargeCustomerFail")
    subscription = scene.subscription(customer)
    good = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    v1.invoices.pay(subscription.latest_invoice.id, {"payment_method": good.id})

    assert scene.seen(subscription).status == "active"


def test_previews(v1: Any, scene: Scene) -> None:
    """The next invoice of a subscription, and the first of one that does not exist."""
    customer = scene.customer()
    subscription = scene.subscription(customer)

    following = v1.invoices.create_preview({"subscription": subscription.id})
    first = v1.invoices.create_preview(
        {"customer": customer.id, "subscription_details": {"items": [{"price": PRO}]}}
    )

    assert (following.amount_due, first.amount_due) == (1000, 2500)
    assert following.period_end == subscription["items"].data[0].current_period_end


def test_coupons_and_promotion_codes(v1: Any, scene: Scene) -> None:
    """A code redeems its coupon."""
    coupon = v1.coupons.create({"id": "SPRING", "percent_off": 25, "duration": "forever"})
    code = v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "TEA25"}
    )
    subscription = scene.subscription(scene.customer(), discounts=[{"promotion_code": code.id}])

    assert subscription.latest_invoice.total == 750
    assert v1.coupons.update(coupon.id, {"name": "Spring"}).name == "Spring"
    assert v1.coupons.retrieve(coupon.id).times_redeemed == 1
    assert v1.promotion_codes.list({"code": "TEA25"}).data[0].id == code.id
    assert v1.promotion_codes.retrieve(code.id, {"expand": ["promotion.coupon"]}).active
    assert not v1.promotion_codes.update(code.id, {"active": False}).active
    assert v1.coupons.list().data
    assert v1.coupons.delete(coupon.id).deleted


def test_tax_rates(v1: Any, scene: Scene) -> None:
    """Made, renamed, listed; its percentage is on the invoice."""
    rate = v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    subscription = scene.subscription(scene.customer(), default_tax_rates=[rate.id])

    assert subscription.latest_invoice.total == 1190
    assert v1.tax_rates.update(rate.id, {"display_name": "MwSt"}).display_name == "MwSt"
    assert v1.tax_rates.retrieve(rate.id).percentage == 19.0
    assert rate.id in [one.id for one in v1.tax_rates.list({"active": True}).data]


def test_tax_ids(v1: Any, scene: Scene) -> None:
    """Given with the customer or later, listed, on the invoice, taken away."""
    customer = scene.customer(tax_id_data=[{"type": "eu_vat", "value": "DE000000000"}])
    other = v1.customers.tax_ids.create(customer.id, {"type": "us_ein", "value": "12-3456789"})
    invoice = scene.subscription(customer).latest_invoice

    assert len(v1.customers.tax_ids.list(customer.id).data) == 2
    assert v1.customers.tax_ids.retrieve(customer.id, other.id).country == "US"
    assert {one.value for one in invoice.customer_tax_ids} == {"DE000000000", "12-3456789"}
    assert v1.customers.tax_ids.delete(customer.id, other.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such discount"):
        v1.customers.delete_discount(customer.id)


def test_checkout_sessions(v1: Any, scene: Scene) -> None:
    """Made with a page's address, listed with what is bought, closed."""
    session = v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": scene.customer().id,
            "line_items": [{"price": BASIC, "quantity": 1}],
            "success_url": "https://example.com/done",
            "subscription_data": {"metadata": {"attempt": "c1"}},
        }
    )
    seen = v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items", "customer"]})

    assert session.url.endswith(f"/hosted/checkout/{session.id}")
    assert seen.line_items.data[0].price.id == BASIC
    assert len(v1.checkout.sessions.line_items.list(session.id).data) == 1
    assert v1.checkout.sessions.update(session.id, {"metadata": {"a": "b"}}).metadata["a"] == "b"
    assert v1.checkout.sessions.list({"status": "open"}).data
    assert v1.checkout.sessions.expire(session.id).status == "expired"


def test_portal_sessions(v1: Any, scene: Scene) -> None:
    """A portal session has an address and the default configuration, or one that is named."""
    customer = scene.customer().id
    session = v1.billing_portal.sessions.create(
        {"customer": customer, "return_url": "https://example.com"}
    )
    made = v1.billing_portal.configurations.create(
        {"features": {"invoice_history": {"enabled": True}}, "name": "Invoices alone"}
    )
    other = v1.billing_portal.sessions.create({"customer": customer, "configuration": made.id})
    off = v1.billing_portal.configurations.update(made.id, {"active": False})

    configuration = v1.billing_portal.configurations.retrieve(session.configuration)
    assert session.url.endswith(f"/hosted/portal/{session.id}")
    assert configuration.is_default
    assert (other.configuration, off.active) == (made.id, False)
    listed = v1.billing_portal.configurations.list({"is_default": True}).data
    assert [one.id for one in listed] == [configuration.id]


def test_subscription_schedules(v1: Any, scene: Scene) -> None:
    """Created, read, listed, updated, released and canceled."""
    first, second = (scene.subscription(scene.customer()) for _ in range(2))
    schedules = v1.subscription_schedules
    schedule = schedules.create({"from_subscription": first.id})
    other = schedules.create({"from_subscription": second.id, "metadata": {"tea": "green"}})

    schedules.update(schedule.id, {"end_behavior": "cancel"})
    released = schedules.release(schedule.id)
    canceled = schedules.cancel(other.id)

    assert schedules.retrieve(schedule.id).end_behavior == "cancel"
    assert schedules.list({"customer": second.customer}).data[0].metadata.tea == "green"
    assert (released.status, released.released_subscription) == ("released", first.id)
    assert (canceled.status, scene.seen(second).status) == ("canceled", "canceled")


def test_disputes(v1: Any) -> None:
    """Listed, read, answered and accepted; a refund of a card cannot be canceled."""
    paid = {"amount": 900, "currency": "usd", "confirm": True, "return_url": "https://a.example"}
    intents = [
        v1.payment_intents.create({**paid, "payment_method": card})
        for card in ("pm_card_createDispute", "pm_card_visa")
    ]
    disputes = v1.disputes
    wait_until(lambda: bool(disputes.list({"payment_intent": intents[0].id}).data))
    dispute = disputes.list({"payment_intent": intents[0].id}).data[0]
    draft = disputes.update(dispute.id, {"evidence": {"customer_name": "Ada"}, "submit": False})

    assert draft.evidence_details.has_evidence
    assert disputes.retrieve(dispute.id).evidence.customer_name == "Ada"
    assert disputes.close(dispute.id).status == "lost"
    refund = v1.refunds.create({"payment_intent": intents[1].id})
    with pytest.raises(stripe.InvalidRequestError, match="requires_action"):
        v1.refunds.cancel(refund.id)


def test_webhook_endpoints(v1: Any) -> None:
    """The secret is shown on creation and never again."""
    endpoint = v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:9/closed", "enabled_events": ["product.deleted"]}
    )
    v1.webhook_endpoints.update(endpoint.id, {"disabled": True, "description": "Off"})

    seen = v1.webhook_endpoints.retrieve(endpoint.id)
    assert endpoint.secret.startswith("whsec_")
    assert (seen.status, "secret" in seen) == ("disabled", False)
    assert v1.webhook_endpoints.list().data
    assert v1.webhook_endpoints.delete(endpoint.id).deleted


def test_test_clocks(v1: Any, scene: Scene) -> None:
    """Made, listed, advanced, deleted with everything that lives on them."""
    customer = scene.on_a_clock().customer()
    clock = v1.test_helpers.test_clocks.create({"frozen_time": 1767225600, "name": "mine"})
    advanced = v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1767312000})

    assert advanced.status == "advancing"
    assert advanced.status_details.advancing.target_frozen_time == 1767312000
    assert v1.test_helpers.test_clocks.retrieve(clock.id).name == "mine"
    assert v1.test_helpers.test_clocks.list().data
    assert v1.test_helpers.test_clocks.delete(scene.clock.id).deleted
    assert v1.customers.retrieve(customer.id).deleted


def test_account_and_events(v1: Any) -> None:
    """The account behind the key, and what has happened in it."""
    events = v1.events.list({"types": ["customer.created", "invoice.paid"], "limit": 5})

    assert v1.accounts.retrieve_current().charges_enabled
    assert {event.type for event in events.data} <= {"customer.created", "invoice.paid"}
    assert v1.events.list({"type": "invoice.*"}).data[0].type.startswith("invoice.")
    assert v1.events.retrieve(events.data[0].id).pending_webhooks == 0


@pytest.fixture(scope="module", autouse=True)
def _every_call_is_driven(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the module when a covered call is driven by none of its tests."""
    yield
    written = {name for name in vars(request.module) if name.startswith("test_")}
    # A parametrised test is several items, and a run of one test alone proves nothing.
    ran = {
        item.function.__name__
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    }
    missing = sorted(set(HANDLERS) - driven) if ran == written else []
    assert not missing, f"no test drives {missing}"

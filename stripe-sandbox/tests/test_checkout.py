"""Checkout: what its page lets the customer change, and what the session says afterwards."""

from typing import Any

import httpx
import pytest
import stripe

from tests.scenes import BASIC, DAY, PRO, Scene
from tests.test_pages_hosted import alert, press, session_of

BERLIN = {"country": "DE", "postal_code": "10115"}
VISA = {"number": "4242424242424242", "email": "buyer@example.com"}
ONCE = {
    "price_data": {
        "currency": "usd",
        "unit_amount": 2000,
        "product_data": {"name": "Poster"},
    },
    "quantity": 1,
}


def seen(scene: Scene, session: Any) -> Any:
    """The session as it is now."""
    return scene.v1.checkout.sessions.retrieve(session.id, {"expand": ["line_items"]})


def code_for(scene: Scene, code: str, **values: Any) -> Any:
    """A promotion code for half off."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    return scene.v1.promotion_codes.create({"promotion": promotion, "code": code, **values})


def test_a_promotion_code_is_entered_on_the_page(browser: httpx.Client, scene: Scene) -> None:
    """Its letters count in any case; the subscription gets the discount."""
    code = code_for(scene, "HALFPRICE")
    session = session_of(scene, allow_promotion_codes=True)

    wrong = press(browser, session.url, "Update the price", code="NONSENSE")
    press(browser, session.url, "Update the price", code="halfprice")
    cheaper = seen(scene, session)
    press(browser, session.url, "Subscribe", **VISA)

    assert (wrong.status_code, alert(wrong)) == (400, "This code is invalid.")
    assert (cheaper.amount_subtotal, cheaper.amount_total) == (1000, 500)
    assert cheaper.discounts[0].promotion_code == code.id
    done = seen(scene, session)
    subscription = scene.v1.subscriptions.retrieve(done.subscription, {"expand": ["discounts"]})
    assert subscription.discounts[0].promotion_code == code.id
    assert scene.v1.promotion_codes.retrieve(code.id).times_redeemed == 1


def test_a_code_that_this_purchase_cannot_redeem_says_why(
    browser: httpx.Client, scene: Scene
) -> None:
    """The price stays as it is; an empty code takes the last one off."""
    minimum = {"minimum_amount": 5000, "minimum_amount_currency": "usd"}
    code_for(scene, "BIGSPENDER", restrictions=minimum)
    code_for(scene, "ANYBODY")
    session = session_of(scene, allow_promotion_codes=True)

    refused = press(browser, session.url, "Update the price", code="BIGSPENDER")
    press(browser, session.url, "Update the price", code="ANYBODY")
    halved = seen(scene, session).amount_total
    press(browser, session.url, "Update the price", code="")

    assert "minimum amount" in alert(refused)
    assert (halved, seen(scene, session).amount_total) == (500, 1000)


def test_a_quantity_is_adjusted_within_its_bounds(browser: httpx.Client, scene: Scene) -> None:
    """What is bought is what the page showed."""
    bounds = {"enabled": True, "minimum": 1, "maximum": 5}
    items = [{"price": BASIC, "quantity": 1, "adjustable_quantity": bounds}]
    session = session_of(scene, line_items=items)
    field = f"quantity-{seen(scene, session).line_items.data[0].id}"

    too_many = press(browser, session.url, "Update the price", **{field: "6"})
    press(browser, session.url, "Update the price", **{field: "3"})
    press(browser, session.url, "Subscribe", **VISA)

    done = seen(scene, session)
    assert alert(too_many).startswith("Choose a quantity of 1 to 5")
    assert done.amount_total == 3000
    assert done.line_items.data[0].adjustable_quantity.maximum == 5
    bought = scene.v1.subscriptions.retrieve(done.subscription)
    assert bought["items"].data[0].quantity == 3


def test_bounds_that_the_quantity_is_not_in_are_refused(scene: Scene) -> None:
    """The parameter is named."""
    bounds = {"enabled": True, "minimum": 2}
    items = [{"price": BASIC, "quantity": 1, "adjustable_quantity": bounds}]

    with pytest.raises(stripe.InvalidRequestError) as refused:
        session_of(scene, line_items=items)

    assert refused.value.param == "line_items[0][adjustable_quantity]"


def test_automatic_tax_waits_for_the_address(browser: httpx.Client, scene: Scene) -> None:
    """The page asks for it; the new customer keeps it and the subscription is taxed."""
    session = session_of(scene, automatic_tax={"enabled": True})

    early = press(browser, session.url, "Subscribe", **VISA)
    press(browser, session.url, "Update the price", country="us", postal_code="98104")
    priced = seen(scene, session)
    press(browser, session.url, "Subscribe", **VISA)

    assert session.automatic_tax.status == "requires_location_inputs"
    assert "country and postal code" in alert(early)
    assert (priced.automatic_tax.status, priced.total_details.amount_tax) == ("complete", 65)
    done = seen(scene, session)
    assert (done.amount_total, done.customer_details.address.postal_code) == (1065, "98104")
    customer = scene.v1.customers.retrieve(done.customer)
    subscription = scene.v1.subscriptions.retrieve(
        done.subscription, {"expand": ["latest_invoice"]}
    )
    assert customer.address.country == "US"
    assert subscription.automatic_tax.enabled
    assert subscription.latest_invoice.amount_paid == 1065


def test_automatic_tax_and_a_known_customer(browser: httpx.Client, scene: Scene) -> None:
    """An address is used; without one it must be saved from the page, or the session is refused."""
    known, unknown = scene.customer(None, address=BERLIN), scene.customer(None)
    tax: dict[str, Any] = {"automatic_tax": {"enabled": True}}

    taxed = session_of(scene, **{**tax, "customer": known.id})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        session_of(scene, **{**tax, "customer": unknown.id})
    saving = session_of(scene, **tax, customer=unknown.id, customer_update={"address": "auto"})
    press(browser, saving.url, "Update the price", **BERLIN)
    press(browser, saving.url, "Subscribe", **VISA)

    assert (taxed.automatic_tax.status, taxed.amount_total) == ("complete", 1190)
    assert refused.value.code == "customer_tax_location_invalid"
    assert scene.v1.customers.retrieve(unknown.id).address.country == "DE"


def test_a_free_trial_needs_no_card_if_none_is_required(
    browser: httpx.Client, scene: Scene
) -> None:
    """Without a card it ends as `trial_settings` say."""
    trial = {
        "trial_period_days": 7,
        "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
    }
    session = session_of(scene, subscription_data=trial, payment_method_collection="if_required")

    page = browser.get(session.url).text
    press(browser, session.url, "Subscribe", email="buyer@example.com")

    done = seen(scene, session)
    subscription = scene.v1.subscriptions.retrieve(done.subscription)
    assert "Card number" not in page
    assert (done.status, done.payment_status) == ("complete", "no_payment_required")
    assert (subscription.status, subscription.default_payment_method) == ("trialing", None)
    assert subscription.trial_end - subscription.trial_start == 7 * DAY


def test_a_card_is_required_where_something_is_due(browser: httpx.Client, scene: Scene) -> None:
    """`if_required` requires it then."""
    session = session_of(scene, payment_method_collection="if_required")

    assert "Card number" in browser.get(session.url).text


def test_a_one_time_payment_has_discounts_and_taxes(browser: httpx.Client, scene: Scene) -> None:
    """2,000, half off, and ten percent on what is left."""
    code = code_for(scene, "POSTER50")
    values = {"display_name": "Tax", "percentage": 10, "inclusive": False}
    rate = scene.v1.tax_rates.create(values)
    session = session_of(
        scene,
        "payment",
        line_items=[{**ONCE, "tax_rates": [rate.id]}],
        discounts=[{"promotion_code": code.id}],
    )

    press(browser, session.url, "Pay $11.00", **VISA)

    done = seen(scene, session)
    assert (done.amount_subtotal, done.amount_total) == (2000, 1100)
    details = done.total_details
    assert (details.amount_discount, details.amount_tax) == (1000, 100)
    assert scene.v1.payment_intents.retrieve(done.payment_intent).amount_received == 1100
    assert scene.v1.promotion_codes.retrieve(code.id).times_redeemed == 1
    assert (done.customer, done.invoice, done.invoice_creation.enabled) == (None, None, False)
    assert done.customer_details.email == "buyer@example.com"


@pytest.mark.parametrize("number", ["4242424242424242", "4000002760003184"])
def test_a_one_time_payment_can_have_an_invoice(
    browser: httpx.Client, scene: Scene, number: str
) -> None:
    """`invoice_creation` makes a customer and a paid invoice, also after 3-D Secure."""
    wanted = {"enabled": True, "invoice_data": {"description": "Thanks"}}
    session = session_of(scene, "payment", line_items=[ONCE], invoice_creation=wanted)

    answer = press(browser, session.url, "Pay $20.00", **{**VISA, "number": number})
    if "authenticate" in answer.headers["location"]:
        press(browser, answer.headers["location"], "Complete authentication")

    done = seen(scene, session)
    invoice = scene.v1.invoices.retrieve(done.invoice)
    assert (done.status, invoice.status, invoice.amount_paid) == ("complete", "paid", 2000)
    assert (invoice.customer, invoice.description) == (done.customer, "Thanks")
    assert invoice.lines.data[0].description == "Poster"


def test_a_session_says_what_stripe_says_when_it_is_created(scene: Scene) -> None:
    """As recorded: which fields of each mode are null, and what they hold otherwise."""
    customer = scene.customer(None, email="known@example.com")
    setup = session_of(scene, "setup", currency="usd", line_items=[], customer=customer.id)
    subscribe = session_of(scene, customer=customer.id)
    pay = session_of(scene, "payment", line_items=[ONCE])

    assert setup.setup_intent.startswith("seti_")
    assert (setup.total_details, setup.discounts, setup.amount_total) == (None, None, None)
    assert (setup.customer_details.email, setup.customer_details.tax_exempt) == (
        "known@example.com",
        None,
    )
    assert (subscribe.discounts, subscribe.setup_intent) == ([], None)
    assert (subscribe.customer_creation, subscribe.payment_method_collection) == (None, "always")
    assert subscribe.customer_details.tax_ids is None
    assert subscribe.saved_payment_method_options.allow_redisplay_filters == ["always"]
    assert (pay.customer_creation, pay.payment_method_collection) == ("if_required", "if_required")
    assert pay.customer_details is None or pay.customer_details.email
    assert subscribe.invoice_creation is None


@pytest.mark.parametrize(
    ("mode", "values", "param"),
    [
        ("subscription", {"invoice_creation": {"enabled": True}}, "invoice_creation"),
        ("payment", {"payment_method_collection": "if_required"}, "payment_method_collection"),
        ("subscription", {"customer_update": {"address": "auto"}}, "customer_update"),
        (
            "subscription",
            {"allow_promotion_codes": True, "discounts": [{"coupon": "SOME"}]},
            None,
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(
    scene: Scene, mode: str, values: Any, param: str | None
) -> None:
    """A parameter of another mode, and two ways to give a discount."""
    items = [ONCE] if mode == "payment" else [{"price": PRO, "quantity": 1}]

    with pytest.raises(stripe.InvalidRequestError) as refused:
        session_of(scene, mode, line_items=items, **values)

    assert refused.value.param == param

"""The customer portal: configurations, flows, and what its buttons set."""

from typing import Any

import httpx
import pytest
import stripe

from tests.scenes import BASIC, DAY, PRO, Scene
from tests.test_pages_hosted import alert, forms, press

PRODUCTS = [
    {"product": "prod_sandbox_basic", "prices": [BASIC]},
    {"product": "prod_sandbox_pro", "prices": [PRO]},
]
UPDATE = {
    "enabled": True,
    "default_allowed_updates": ["price"],
    "products": PRODUCTS,
    "proration_behavior": "always_invoice",
}
DONE = "https://shop.example/done"


def configured(scene: Scene, **features: Any) -> str:
    """A configuration with these features alone."""
    return str(scene.v1.billing_portal.configurations.create({"features": features}).id)


def portal(scene: Scene, customer: Any, **values: Any) -> Any:
    """A session of a customer."""
    return scene.v1.billing_portal.sessions.create({"customer": customer.id, **values})


def test_a_plan_is_changed_and_billed_as_configured(browser: httpx.Client, scene: Scene) -> None:
    """The new price, and the difference invoiced at once; only offered prices are taken."""
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    session = portal(scene, customer, configuration=configured(scene, subscription_update=UPDATE))

    press(browser, session.url, "Change plan", price=PRO)
    other = press(browser, session.url, "Change plan", price="price_other")

    changed = scene.seen(subscription)
    assert changed["items"].data[0].price.id == PRO
    assert changed.latest_invoice.billing_reason == "subscription_update"
    assert changed.latest_invoice.amount_paid == 1500
    assert alert(other) == "This plan is not offered here."


def test_a_refused_card_leaves_the_plan_as_it_was(browser: httpx.Client, scene: Scene) -> None:
    """The page says so."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    session = portal(scene, customer, configuration=configured(scene, subscription_update=UPDATE))

    refused = press(browser, session.url, "Change plan", price=PRO)

    assert "declined" in alert(refused)
    assert scene.seen(subscription)["items"].data[0].price.id == BASIC


def test_a_trial_ends_or_goes_on_as_configured(browser: httpx.Client, scene: Scene) -> None:
    """`trial_update_behavior` decides."""
    for behavior, status in (("end_trial", "active"), ("continue_trial", "trialing")):
        customer = scene.customer()
        subscription = scene.subscription(customer, trial_period_days=7)
        update = {**UPDATE, "trial_update_behavior": behavior}
        session = portal(
            scene, customer, configuration=configured(scene, subscription_update=update)
        )

        press(browser, session.url, "Change plan", price=PRO)

        changed = scene.seen(subscription)
        assert (changed.status, changed["items"].data[0].price.id) == (status, PRO)


def test_a_quantity_and_a_code_are_changed_where_they_may_be(
    browser: httpx.Client, scene: Scene
) -> None:
    """`default_allowed_updates` names what the page offers."""
    coupon = scene.v1.coupons.create({"percent_off": 10, "duration": "forever"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    scene.v1.promotion_codes.create({"promotion": promotion, "code": "PORTAL10"})
    update = {"enabled": True, "default_allowed_updates": ["quantity", "promotion_code"]}
    customer = scene.customer()
    subscription = scene.subscription(customer)
    session = portal(scene, customer, configuration=configured(scene, subscription_update=update))

    press(browser, session.url, "Change plan", quantity="4", code="PORTAL10")

    changed = scene.seen(subscription)
    assert changed["items"].data[0].quantity == 4
    assert len(changed.discounts) == 1


@pytest.mark.parametrize(("proration", "credit"), [("none", False), ("always_invoice", True)])
def test_an_immediate_cancellation(
    browser: httpx.Client, scene: Scene, proration: str, credit: bool
) -> None:
    """Canceled now, with the reason that was chosen, and credit if it is configured."""
    reasons = {"enabled": True, "options": ["too_expensive", "unused"]}
    cancel = {
        "enabled": True,
        "mode": "immediately",
        "proration_behavior": proration,
        "cancellation_reason": reasons,
    }
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer)
    scene.after(10 * DAY)
    session = portal(scene, customer, configuration=configured(scene, subscription_cancel=cancel))

    press(browser, session.url, "Cancel subscription", reason="too_expensive")

    ended = scene.seen(subscription)
    assert (ended.status, ended.cancellation_details.feedback) == ("canceled", "too_expensive")
    assert (scene.v1.customers.retrieve(customer.id).balance < 0) == credit


def test_what_is_not_configured_is_neither_shown_nor_done(
    browser: httpx.Client, scene: Scene
) -> None:
    """Also a form that was sent without the page."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    features = {"invoice_history": {"enabled": True}}
    session = portal(scene, customer, configuration=configured(scene, **features))

    page = browser.get(session.url).text
    sent = browser.post(f"{session.url}/cancel", data={"subscription": subscription.id})

    assert forms(page) == {}
    assert "Invoices" in page
    assert alert(sent) == "This is not offered here."
    assert scene.seen(subscription).cancel_at is None


def test_a_customer_changes_their_details(browser: httpx.Client, scene: Scene) -> None:
    """What `allowed_updates` names, and nothing else."""
    update = {"enabled": True, "allowed_updates": ["email"]}
    customer = scene.customer(None, name="Ada", email="old@example.com")
    session = portal(scene, customer, configuration=configured(scene, customer_update=update))

    press(browser, session.url, "Save details", email="new@example.com", name="Eve")

    seen = scene.v1.customers.retrieve(customer.id)
    assert (seen.email, seen.name) == ("new@example.com", "Ada")


@pytest.mark.parametrize(
    ("flow", "button", "fields"),
    [
        ("payment_method_update", "Change card", {"number": "4242424242424242"}),
        ("subscription_cancel", "Cancel subscription", {}),
        ("subscription_update", "Change plan", {"price": PRO}),
        ("subscription_update_confirm", "Confirm the change", {}),
    ],
)
def test_a_flow_shows_one_task_and_leads_back(
    browser: httpx.Client, scene: Scene, flow: str, button: str, fields: dict[str, str]
) -> None:
    """The page has its button alone; afterwards the customer is where the flow says."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    item = {"id": subscription["items"].data[0].id, "price": PRO, "quantity": 2}
    details: dict[str, Any] = {"subscription": subscription.id}
    if flow == "subscription_update_confirm":
        details["items"] = [item]
    data: dict[str, Any] = {
        "type": flow,
        "after_completion": {"type": "redirect", "redirect": {"return_url": DONE}},
    }
    if flow != "payment_method_update":
        data[flow] = details
    features = {
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True},
        "subscription_update": UPDATE,
    }
    session = portal(scene, customer, configuration=configured(scene, **features), flow_data=data)

    shown = forms(browser.get(session.url).text)
    answer = press(browser, session.url, button, **fields)

    assert list(shown) == [button]
    assert answer.headers["location"] == DONE
    assert (session.flow.type, session.flow.after_completion.redirect.return_url) == (flow, DONE)
    changed = scene.seen(subscription)
    if flow == "subscription_cancel":
        assert changed.cancel_at == changed["items"].data[0].current_period_end
    if flow.startswith("subscription_update"):
        assert changed["items"].data[0].price.id == PRO
    if flow == "subscription_update_confirm":
        assert changed["items"].data[0].quantity == 2


def test_a_flow_without_a_redirect_goes_on_in_the_portal(
    browser: httpx.Client, scene: Scene
) -> None:
    """Or stays, with the message of its own."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    cancel = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription.id},
    }
    message = {"custom_message": "We are sorry to see you go."}
    staying = {"type": "hosted_confirmation", "hosted_confirmation": message}

    home = portal(scene, customer, flow_data=cancel)
    press(browser, home.url, "Cancel subscription")
    stays = portal(scene, customer, flow_data={**cancel, "after_completion": staying})
    press(browser, stays.url, "Keep subscription")
    confirmed = browser.get(press(browser, stays.url, "Cancel subscription").headers["location"])

    assert "Change card" in forms(browser.get(home.url).text)
    assert "We are sorry to see you go." in confirmed.text


@pytest.mark.parametrize(
    ("features", "flow", "param"),
    [
        ({"invoice_history": {"enabled": True}}, "subscription_cancel", "flow_data[type]"),
        (
            {"subscription_cancel": {"enabled": True}},
            "subscription_cancel",
            "flow_data[subscription_cancel][subscription]",
        ),
    ],
)
def test_a_flow_that_cannot_be_is_refused(
    scene: Scene, features: Any, flow: str, param: str
) -> None:
    """A feature that is off, and another customer's subscription."""
    foreign = scene.subscription(scene.customer())
    data = {"type": flow, flow: {"subscription": foreign.id}}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        portal(
            scene,
            scene.customer(),
            configuration=configured(scene, **features),
            flow_data=data,
        )

    assert refused.value.param == param


@pytest.mark.parametrize(
    ("features", "status", "param"),
    [
        ({"subscription_pause": {"enabled": True}}, 501, "features[subscription_pause][enabled]"),
        (
            {"customer_update": {"enabled": True, "allowed_updates": ["tax_id"]}},
            501,
            "features[customer_update][allowed_updates]",
        ),
        (
            {"subscription_update": {"enabled": True, "default_allowed_updates": ["price"]}},
            400,
            "features[subscription_update][products]",
        ),
        (
            {
                "subscription_update": {
                    **UPDATE,
                    "products": [{"product": "prod_sandbox_basic", "prices": [PRO]}],
                }
            },
            400,
            "features[subscription_update][products][0][prices][0]",
        ),
    ],
)
def test_a_configuration_without_effect_is_refused(
    scene: Scene, features: Any, status: int, param: str
) -> None:
    """What the pages cannot do, and prices that do not belong to their product."""
    with pytest.raises(stripe.StripeError) as refused:
        configured(scene, **features)

    assert refused.value.http_status == status
    assert f'"param": "{param}"' in str(refused.value.http_body)


def test_a_cheaper_plan_can_wait_for_the_end_of_the_period(
    browser: httpx.Client, scene: Scene
) -> None:
    """By a schedule: today nothing changes, the renewal is that of the cheaper plan."""
    conditions = {"conditions": [{"type": "decreasing_item_amount"}]}
    update = {**UPDATE, "schedule_at_period_end": conditions}
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, PRO)
    session = portal(scene, customer, configuration=configured(scene, subscription_update=update))

    press(browser, session.url, "Change plan", price=BASIC)
    today = scene.seen(subscription)
    scene.after(32 * DAY)

    later = scene.seen(subscription)
    assert today["items"].data[0].price.id == PRO
    assert today.schedule.startswith("sub_sched_")
    assert later["items"].data[0].price.id == BASIC
    assert later.latest_invoice.amount_paid == 1000


def test_a_more_expensive_plan_does_not_wait(browser: httpx.Client, scene: Scene) -> None:
    """Only what the conditions name is put off."""
    conditions = {"conditions": [{"type": "decreasing_item_amount"}]}
    update = {**UPDATE, "schedule_at_period_end": conditions}
    customer = scene.customer()
    subscription = scene.subscription(customer)
    session = portal(scene, customer, configuration=configured(scene, subscription_update=update))

    press(browser, session.url, "Change plan", price=PRO)

    assert scene.seen(subscription)["items"].data[0].price.id == PRO

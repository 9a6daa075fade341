"""First payments: 3-D Secure, clients that confirm, subscriptions that never begin."""

import pytest
import stripe

from tests.scenes import DAY, HOUR, NEW_YEAR, Scene, intent_of

MONTH = 31 * DAY


def test_three_d_secure_that_is_never_completed_expires(scene: Scene) -> None:
    """After 23 hours the subscription, its invoice and its intent are given up."""
    customer = scene.on_a_clock().customer("pm_card_authenticationRequired")
    subscription = scene.subscription(customer)

    scene.after(22 * HOUR)
    waiting = scene.seen(subscription)
    scene.after(24 * HOUR)
    expired = scene.seen(subscription)

    assert (waiting.status, intent_of(waiting).status) == ("incomplete", "requires_action")
    assert (expired.status, expired.latest_invoice.status) == ("incomplete_expired", "void")
    assert intent_of(expired).status == "canceled"


def test_voiding_the_first_invoice_ends_an_incomplete_subscription(scene: Scene) -> None:
    """It can never be paid any more; the intent's last error can still be read."""
    subscription = scene.subscription(scene.customer("pm_card_chargeCustomerFail"))

    scene.v1.invoices.void_invoice(subscription.latest_invoice.id)

    ended = scene.seen(subscription)
    assert (ended.status, ended.latest_invoice.status) == ("incomplete_expired", "void")
    assert intent_of(ended).status == "canceled"
    assert intent_of(ended).last_payment_error.code == "card_declined"


def test_the_subscriptions_of_an_unknown_customer_are_refused(scene: Scene) -> None:
    """An empty list would read as "this customer has none"."""
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as refusal:
        scene.v1.subscriptions.list({"customer": "cus_unknown"})

    assert (refusal.value.code, refusal.value.param) == ("resource_missing", "customer")


def test_three_d_secure_completed_on_the_page_activates(scene: Scene) -> None:
    """Completing the challenge pays the invoice and activates the subscription."""
    subscription = scene.subscription(scene.customer("pm_card_authenticationRequiredOnSetup"))

    scene.authenticates(intent_of(subscription).id)

    assert subscription.status == "incomplete"
    active = scene.seen(subscription)
    assert (active.status, active.latest_invoice.status) == ("active", "paid")
    updated = scene.events(subscription.id)[-1]
    assert updated.type == "customer.subscription.updated"
    assert updated.data["previous_attributes"]["status"] == "incomplete"


def test_three_d_secure_failed_on_the_page_stays_incomplete(scene: Scene) -> None:
    """Failing the challenge asks for another payment method."""
    subscription = scene.subscription(scene.customer("pm_card_authenticationRequired"))

    scene.authenticates(intent_of(subscription).id, "fail")

    failed = scene.seen(subscription)
    assert failed.status == "incomplete"
    assert intent_of(failed).status == "requires_payment_method"
    assert intent_of(failed).last_payment_error.code == "payment_intent_authentication_failure"


def test_a_card_set_up_once_renews_without_a_challenge(scene: Scene) -> None:
    """Card …3155 asks for 3-D Secure the first time only."""
    customer = scene.on_a_clock().customer("pm_card_authenticationRequiredOnSetup")
    subscription = scene.subscription(customer)
    scene.authenticates(intent_of(subscription).id)

    scene.after(MONTH + 2 * HOUR)

    assert scene.seen(subscription).latest_invoice.status == "paid"


def test_a_first_payment_that_must_succeed_leaves_no_subscription(scene: Scene) -> None:
    """`error_if_incomplete` on creation keeps nothing."""
    customer = scene.customer("pm_card_authenticationRequired")

    with pytest.raises(stripe.CardError) as refused:
        scene.subscription(customer, payment_behavior="error_if_incomplete")

    assert refused.value.code == "subscription_payment_intent_requires_action"
    listed = scene.v1.subscriptions.list({"customer": customer.id, "status": "all"})
    assert not listed.data


def test_a_client_confirms_the_first_payment(scene: Scene) -> None:
    """`default_incomplete` waits for the client to confirm the intent."""
    customer = scene.customer(None)
    subscription = scene.subscription(
        customer,
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
        expand=["latest_invoice.confirmation_secret"],
    )
    secret = subscription.latest_invoice.confirmation_secret.client_secret
    intent = secret.split("_secret_")[0]
    method = scene.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    scene.v1.payment_intents.confirm(intent, {"payment_method": method.id})

    active = scene.seen(subscription)
    assert (subscription.status, active.status) == ("incomplete", "active")
    assert active.default_payment_method == method.id


def test_a_new_card_confirmed_by_a_client_is_kept_for_renewals(scene: Scene) -> None:
    """The card that paid the first invoice is attached and pays the second."""
    customer = scene.on_a_clock().customer(None)
    subscription = scene.subscription(
        customer,
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
    )

    scene.v1.payment_intents.confirm(intent_of(subscription).id, {"payment_method": "pm_card_visa"})
    scene.after(32 * DAY)

    renewed = scene.seen(subscription)
    kept = scene.v1.payment_methods.list({"customer": customer.id}).data
    assert [method.id for method in kept] == [renewed.default_payment_method]
    assert (renewed.status, renewed.latest_invoice.billing_reason) == (
        "active",
        "subscription_cycle",
    )
    assert renewed.latest_invoice.status == "paid"


def test_a_period_that_ended_before_the_first_payment_is_followed_by_the_next(
    scene: Scene,
) -> None:
    """A subscription paid after its short first period is billed for the one that has begun."""
    customer = scene.on_a_clock().customer("pm_card_authenticationRequiredOnSetup")
    subscription = scene.subscription(customer, billing_cycle_anchor=NEW_YEAR + HOUR)
    scene.after(2 * HOUR)

    scene.authenticates(intent_of(subscription).id)
    scene.after(4 * HOUR)

    running = scene.seen(subscription)
    assert (subscription.status, running.status) == ("incomplete", "active")
    assert running["items"].data[0].current_period_start == NEW_YEAR + HOUR
    assert running.latest_invoice.amount_paid == 1000

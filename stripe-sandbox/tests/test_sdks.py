"""Stripe's own SDKs drive a whole life cycle: the Node SDK as a user installs it, and Python's."""

import json
import subprocess
from pathlib import Path

import pytest
import stripe

from tests import cli
from tests.scenes import DAY, EXPANDED, PRO, Scene, intent_of
from tests.server import Server

# The newest one, which pins the sandbox's version, and one two majors older.
VERSIONS = ("23.1.0", "21.0.1")
EXPANDED_INVOICE = ["payments.data.payment.payment_intent"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_node_sdk_drives_a_life_cycle(server: Server, version: str) -> None:
    """No call fails but those that are refused on purpose, each with its own error class."""
    script = Path(__file__).parent / "lifecycle.mjs"
    command = [cli.node(), str(script), str(cli.node_sdk(version)), str(server.port)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {
        "version": version,
        "status": "canceled",
        "deleted": True,
        "listed": True,
        "declined": ["StripeCardError", "card_declined"],
        "unknown": ["StripeInvalidRequestError", "parameter_unknown", "emial"],
        "missing": ["StripeInvalidRequestError", 404],
    }


def test_stripe_python_drives_a_life_cycle(scene: Scene) -> None:
    """From the first card to the end: 3-D Secure, a trial, renewals, failures, money back."""
    v1, customer = scene.v1, scene.on_a_clock().customer(None, email="ada@example.com")
    scene.pays_with(customer, "pm_card_threeDSecure2Required")

    trial = v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": PRO}], "trial_period_days": 14}
    )
    bought = scene.subscription(customer, payment_behavior="default_incomplete")
    with pytest.raises(stripe.CardError):
        v1.invoices.pay(bought.latest_invoice.id)
    v1.payment_intents.confirm(intent_of(scene.seen(bought)).id)
    scene.authenticates(intent_of(scene.seen(bought)).id)
    active = scene.seen(bought)
    assert (trial.status, bought.status, active.status) == ("trialing", "incomplete", "active")

    item = active["items"].data[0]
    upgrade = {"items": [{"id": item.id, "price": PRO}], "proration_behavior": "always_invoice"}
    scene.pays_with(customer, "pm_card_visa")
    upgraded = v1.subscriptions.update(bought.id, {**upgrade, "expand": EXPANDED})
    assert upgraded.latest_invoice.amount_paid == 2500 - 1000

    scene.after(15 * DAY)
    after_trial = scene.seen(trial)
    scene.after(32 * DAY)
    renewed = scene.seen(bought)
    assert (after_trial.status, after_trial.latest_invoice.amount_paid) == ("active", 2500)
    assert renewed.latest_invoice.billing_reason == "subscription_cycle"

    paid = intent_of(renewed)
    refund = v1.refunds.create({"payment_intent": paid.id, "amount": 500})
    charge = v1.charges.retrieve(paid.latest_charge)
    assert (refund.status, charge.amount_refunded) == ("succeeded", 500)

    scene.pays_with(customer, "pm_card_chargeCustomerFail")
    scene.after(60 * DAY)
    failing = scene.seen(bought)
    scene.pays_with(customer, "pm_card_createDispute")
    saved = v1.invoices.pay(failing.latest_invoice.id, {"expand": EXPANDED_INVOICE})
    disputed = saved.payments.data[0].payment.payment_intent
    dispute = v1.disputes.list({"payment_intent": disputed.id}).data[0]
    assert (failing.status, scene.seen(bought).status) == ("past_due", "active")
    assert v1.disputes.close(dispute.id).status == "lost"

    leaving = v1.subscriptions.update(bought.id, {"cancel_at_period_end": True})
    scene.after(95 * DAY)
    ended = scene.seen(bought)
    canceled = v1.subscriptions.cancel(trial.id)
    assert (leaving.status, ended.status, canceled.status) == ("active", "canceled", "canceled")
    assert v1.customers.delete(customer.id).deleted

"""Disputes and refunds: what the published test cards bring about after a payment."""

import asyncio
from typing import Any

import httpx
import pytest
import stripe

from stripe_sandbox.app import create_app
from stripe_sandbox.settings import Settings
from tests.scenes import Scene
from tests.server import wait_until


def paid_with(scene: Scene, card: str) -> Any:
    """A charge of $20 that a test card has paid."""
    intent = scene.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "usd",
            "payment_method": card,
            "confirm": True,
            "return_url": "https://shop.example.com",
        }
    )
    return scene.v1.charges.retrieve(intent.latest_charge)


def disputed(scene: Scene, card: str) -> Any:
    """The dispute of a charge that such a card has paid."""
    charge = paid_with(scene, card)
    return scene.v1.disputes.list({"charge": charge.id}).data[0]


def types_about(scene: Scene, identifier: str) -> list[str]:
    """The types of all events about an object, oldest first."""
    return [event.type for event in scene.events(identifier)]


@pytest.mark.parametrize(
    ("evidence", "status", "last"),
    [
        ("winning_evidence", "won", "charge.dispute.funds_reinstated"),
        ("losing_evidence", "lost", "charge.dispute.updated"),
        ("We sent it.", "under_review", None),
    ],
)
def test_a_dispute_is_answered(scene: Scene, evidence: str, status: str, last: str | None) -> None:
    """The amount and the fee are withdrawn at once, and come back if the dispute is won."""
    dispute = disputed(scene, "pm_card_createDispute")

    answered = scene.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": evidence}, "submit": True}
    )

    entries = answered.balance_transactions
    assert (dispute.reason, dispute.status) == ("fraudulent", "needs_response")
    assert [entry.net for entry in dispute.balance_transactions] == [-2000 - 1500]
    assert answered.status == status
    assert sum(entry.net for entry in entries) == (0 if status == "won" else -3500)
    types = types_about(scene, dispute.id)
    assert types[:2] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    if last:
        assert types[-2:] == [last, "charge.dispute.closed"]


def test_a_disputed_charge_is_not_refunded(scene: Scene) -> None:
    """The money is gone already; the charge says so."""
    dispute = disputed(scene, "pm_card_createDisputeProductNotReceived")

    with pytest.raises(stripe.InvalidRequestError) as refusal:
        scene.v1.refunds.create({"charge": dispute.charge})

    assert refusal.value.code == "charge_disputed"
    assert scene.v1.charges.retrieve(dispute.charge).disputed is True
    assert scene.v1.disputes.close(dispute.id).status == "lost"


def test_the_next_request_sees_the_dispute() -> None:
    """The payment's answer does not have it yet; nothing else has to run in between."""
    payment = {
        "amount": "2000",
        "currency": "usd",
        "payment_method": "pm_card_createDispute",
        "confirm": "true",
        "return_url": "https://shop.example.com",
        "expand[]": "latest_charge",
    }

    async def pay_and_look() -> tuple[Any, Any]:
        # Without the application's lifespan there is no loop that looks for due actions.
        transport = httpx.ASGITransport(create_app(Settings()))
        headers = {"Authorization": "Bearer sk_test_sandbox"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://sandbox", headers=headers
        ) as api:
            paid = await api.post("/v1/payment_intents", data=payment)
            found = await api.get("/v1/disputes", params={"payment_intent": paid.json()["id"]})
            return paid.json()["latest_charge"], found.json()["data"]

    charge, disputes = asyncio.run(pay_and_look())

    assert (charge["disputed"], charge["balance_transaction"]) == (False, None)
    assert [dispute["charge"] for dispute in disputes] == [charge["id"]]


def test_an_inquiry_withdraws_nothing(scene: Scene) -> None:
    """A bank that only asks leaves the money where it is, and the charge refundable."""
    dispute = disputed(scene, "pm_card_createDisputeInquiry")

    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    assert scene.v1.refunds.create({"charge": dispute.charge}).status == "succeeded"


def test_a_refund_can_be_pending_first(scene: Scene) -> None:
    """It succeeds later, and `refund.updated` says so."""
    charge = paid_with(scene, "pm_card_pendingRefund")

    refund = scene.v1.refunds.create({"charge": charge.id})

    wait_until(lambda: scene.v1.refunds.retrieve(refund.id).status == "succeeded")
    assert refund.status == "pending"
    assert "refund.updated" in types_about(scene, refund.id)


def test_a_refund_can_fail_after_it_succeeded(scene: Scene) -> None:
    """The charge counts as not refunded again, and the balance gets its money back."""
    charge = paid_with(scene, "pm_card_refundFail")

    refund = scene.v1.refunds.create({"charge": charge.id, "amount": 500})

    wait_until(lambda: scene.v1.refunds.retrieve(refund.id).status == "failed")
    failed = scene.v1.refunds.retrieve(
        refund.id, {"expand": ["failure_balance_transaction", "charge"]}
    )
    assert refund.status == "succeeded"
    assert failed.failure_reason == "expired_or_canceled_card"
    assert failed.failure_balance_transaction.amount == 500
    assert (failed.charge.amount_refunded, failed.charge.refunded) == (0, False)
    assert "refund.failed" in types_about(scene, refund.id)

"""The table that decides what an attempt does next, rule by rule."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from subscriptions.errors import (
    AlreadySubscribed,
    AttemptInProgress,
    CardDeclined,
    IdempotencyMismatch,
    KeyRefused,
    PaymentGatewayRefused,
    PaymentUnderWay,
)
from subscriptions.stripe_gateway.objects import (
    NO_PAYMENT,
    StripeInvoice,
    StripePaymentMethod,
    StripeSubscription,
)
from subscriptions.subscribing.next_step import Call, NextCall, Outcome, Seen, next_step

NOW = datetime(2026, 11, 26, tzinfo=UTC)
CARD = StripePaymentMethod(
    id="pm_1",
    stripe_customer_id="cus_1",
    brand="visa",
    last4="4242",
    exp_month=12,
    exp_year=2040,
    fingerprint="print",
)
# A new attempt of a user whom Stripe knows.
NEW = Seen(
    attempt_id="ours",
    resumed=False,
    may_charge=True,
    fence_seconds=60,
    key_spent=False,
    stripe_customer_id="cus_1",
    may_have_customer=False,
    open_page="",
)
# Its user has left, and nothing can arrive any more.
LEFT = replace(NEW, resumed=True, may_charge=False, fence_seconds=0)
UNPAID = replace(NO_PAYMENT, status="requires_payment_method", decline_code="no_funds")
WAITS = replace(NO_PAYMENT, status="requires_action", client_secret="secret")
REFUSED = PaymentGatewayRefused("No.")
DECLINED = CardDeclined("No.", decline_code="generic_decline")


def subscription(status: str, *, attempt: str = "other", invoice: str = "open") -> Any:
    """Return one of ours; its id is its status."""
    return StripeSubscription(
        id=status,
        stripe_customer_id="cus_1",
        status=status,
        items=(),
        discounts=(),
        pending_price_id="",
        cancel_at_period_end=False,
        cancel_at=None,
        ended_at=None,
        created=NOW,
        latest_invoice=StripeInvoice(
            id="in_1",
            number="",
            status=invoice,
            created=NOW,
            due_date=None,
            period_end=None,
            currency="usd",
            amount_due=1000,
            amount_paid=0,
            hosted_invoice_url="",
            invoice_pdf="",
            payment_intent_id="pi_1",
            client_secret="",
            lines=(),
        ),
        payment_method_id="pm_1",
        attempt_id=attempt,
        collection_paused="",
        paused_for="",
    )


def call(name: Call, target: str = "") -> NextCall:
    """Return a call."""
    return NextCall(name, target)


OWN_INCOMPLETE = (subscription("incomplete", attempt="ours"),)
OTHER_INCOMPLETE = (subscription("incomplete"),)
LOOKED = replace(NEW, subscriptions=())

CALLS = {
    "a user Stripe does not know": (
        replace(NEW, stripe_customer_id=""),
        call(Call.MAKE_CUSTOMER),
    ),
    "an attempt of an earlier version": (
        replace(NEW, stripe_customer_id="", may_have_customer=True),
        call(Call.FIND_CUSTOMER),
    ),
    "a new attempt attaches, which lists the subscriptions": (NEW, call(Call.ATTACH_CARD)),
    "a page may have been completed": (replace(NEW, open_page="cs_1"), call(Call.LOOK)),
    "an attempt taken over looks first": (replace(NEW, resumed=True), call(Call.LOOK)),
    "a spent key is looked up": (replace(NEW, key_spent=True), call(Call.LOOK)),
    "no user waits": (LEFT, call(Call.LOOK)),
    "nothing is there": (replace(LOOKED, card=CARD), call(Call.CREATE_SUBSCRIPTION)),
    "looked, but no card yet": (replace(LOOKED, resumed=True), call(Call.ATTACH_CARD)),
    "an open page": (
        replace(LOOKED, open_page="cs_1"),
        call(Call.CLOSE_PAGE, "cs_1"),
    ),
    "an earlier payment waits": (
        replace(NEW, subscriptions=OTHER_INCOMPLETE, card=CARD),
        call(Call.VOID_INVOICE, "in_1"),
    ),
    "an earlier one without an open invoice": (
        replace(NEW, subscriptions=(subscription("incomplete", invoice="draft"),), card=CARD),
        call(Call.CANCEL, "incomplete"),
    ),
    "what became of our payment": (
        replace(NEW, subscriptions=OWN_INCOMPLETE, card=CARD),
        call(Call.FETCH_PAYMENT, "incomplete"),
    ),
    "our payment was refused": (
        replace(NEW, subscriptions=OWN_INCOMPLETE, card=CARD, payment=UNPAID),
        call(Call.VOID_INVOICE, "in_1"),
    ),
    "our payment waits for a user who left": (
        replace(LEFT, subscriptions=OWN_INCOMPLETE, payment=WAITS),
        call(Call.VOID_INVOICE, "in_1"),
    ),
    "its card was attached by a process that died": (
        replace(
            NEW,
            resumed=True,
            subscriptions=(subscription("incomplete_expired", attempt="ours"),),
            payment=UNPAID,
        ),
        call(Call.DETACH_CARD, "pm_1"),
    ),
    "a refused attempt takes its card away": (
        replace(LOOKED, card=CARD, refusals={call(Call.CREATE_SUBSCRIPTION): REFUSED}),
        call(Call.DETACH_CARD, "pm_1"),
    ),
}

OUTCOMES: dict[str, tuple[Seen, str, type[Exception] | None]] = {
    "our key was refused": (
        replace(NEW, key_refusal=KeyRefused("No.")),
        "superseded",
        KeyRefused,
    ),
    "the customer was deleted": (replace(NEW, customer_deleted=True), "superseded", None),
    "the card cannot be attached": (
        replace(NEW, refusals={call(Call.ATTACH_CARD): DECLINED}),
        "declined",
        CardDeclined,
    ),
    "it is paid": (
        replace(NEW, subscriptions=(subscription("active", attempt="ours"),)),
        "succeeded",
        None,
    ),
    "it is paid, though the user left": (
        replace(LEFT, subscriptions=(subscription("active", attempt="ours"),)),
        "succeeded",
        None,
    ),
    "the user has to act": (
        replace(NEW, subscriptions=OWN_INCOMPLETE, card=CARD, payment=WAITS),
        "requires_action",
        None,
    ),
    "it cannot be taken back": (
        replace(
            NEW,
            subscriptions=OWN_INCOMPLETE,
            payment=UNPAID,
            refusals={call(Call.VOID_INVOICE, "in_1"): REFUSED},
        ),
        "requires_action",
        None,
    ),
    "it was refused and is ended": (
        replace(
            NEW,
            subscriptions=(subscription("incomplete_expired", attempt="ours"),),
            payment=UNPAID,
            card_is_cleared=True,
        ),
        "declined",
        CardDeclined,
    ),
    "there is another one": (
        replace(NEW, subscriptions=(subscription("active"),)),
        "failed",
        AlreadySubscribed,
    ),
    "a page is being paid on": (
        replace(LOOKED, open_page="cs_1", refusals={call(Call.CLOSE_PAGE, "cs_1"): REFUSED}),
        "superseded",
        PaymentUnderWay,
    ),
    "an earlier payment is being made": (
        replace(
            NEW,
            subscriptions=OTHER_INCOMPLETE,
            refusals={call(Call.VOID_INVOICE, "in_1"): REFUSED},
        ),
        "superseded",
        PaymentUnderWay,
    ),
    "the key is spent and nothing is there": (
        replace(LOOKED, key_spent=True),
        "failed",
        IdempotencyMismatch,
    ),
    "the user left and nothing is there": (
        replace(LEFT, subscriptions=()),
        "failed",
        IdempotencyMismatch,
    ),
    "a call may still arrive": (
        replace(LEFT, subscriptions=(), fence_seconds=30),
        "open",
        AttemptInProgress,
    ),
}


@pytest.mark.parametrize(("seen", "expected"), CALLS.values(), ids=CALLS.keys())
def test_the_next_call(seen: Seen, expected: NextCall) -> None:
    """What is known of Stripe decides; how the attempt got there does not."""
    assert next_step(seen) == expected


@pytest.mark.parametrize(("seen", "state", "refusal"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_the_outcome(seen: Seen, state: str, refusal: type[Exception] | None) -> None:
    """An attempt ends in one of its states, with what the user reads."""
    outcome = next_step(seen)

    assert isinstance(outcome, Outcome)
    assert outcome.state == state
    assert type(outcome.refusal) is (refusal or type(None))

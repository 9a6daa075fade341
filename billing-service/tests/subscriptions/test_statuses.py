"""Stripe's word, our word, and until when there is access."""

from datetime import UTC, datetime, timedelta

import pytest

from subscriptions.models import Customer, Subscription
from subscriptions.status import our_status
from subscriptions.sync.comparison import compare
from subscriptions.sync.subscription_rows import access_end
from subscriptions.sync.writer import look
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from tests.subscriptions.renewals import Renewals

NOW = datetime(2026, 11, 4, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("stripes", "ours"),
    [
        ("active", "successful"),
        ("trialing", "successful"),
        ("incomplete", "failed"),
        ("incomplete_expired", "failed"),
        ("unpaid", "failed"),
        ("paused", "failed"),
        ("canceled", "canceled"),
    ],
)
def test_every_word_of_stripes_has_one_of_ours(stripes: str, ours: str) -> None:
    """Callers branch on three words, whatever Stripe adds."""
    assert our_status(stripes, access_until=None, now=NOW) == ours


def test_an_unpaid_renewal_keeps_access_for_the_grace_alone() -> None:
    """Successful until the grace is over, then failed."""
    until = access_end(
        "past_due",
        period_end=NOW + 30 * DAY,
        unpaid_since=NOW,
        ended_at=None,
        cancel_at=None,
        grace=7 * DAY,
    )

    assert until == NOW + 7 * DAY
    assert our_status("past_due", access_until=until, now=NOW + 6 * DAY) == "successful"
    assert our_status("past_due", access_until=until, now=NOW + 7 * DAY) == "failed"
    assert our_status("past_due", access_until=None, now=NOW) == "failed"


@pytest.mark.parametrize(
    ("stripes", "until"),
    [
        ("active", NOW + 30 * DAY),
        ("trialing", NOW + 30 * DAY),
        ("canceled", NOW + DAY),
        ("incomplete", None),
        ("unpaid", None),
        ("paused", None),
    ],
)
def test_access_lasts_as_long_as_it_is_paid_for(stripes: str, until: datetime | None) -> None:
    """The paid period, the end of what was cancelled, or not at all."""
    assert (
        access_end(
            stripes,
            period_end=NOW + 30 * DAY,
            unpaid_since=NOW,
            ended_at=NOW + DAY,
            cancel_at=None,
            grace=7 * DAY,
        )
        == until
    )


def test_a_renewal_that_fails_is_past_due_until_another_card_pays(
    person: Person, stripe: Sandbox
) -> None:
    """Weeks on Stripe's test clock: renewed, failed, collected from the new card at once."""
    renewals = Renewals(person, NOW)
    person.hear_from_stripe()
    assert person.words() == ("successful", "active")

    renewals.pay_with("pm_card_chargeCustomerFail")
    renewals.advance(NOW + timedelta(days=31))
    person.hear_from_stripe()

    body = person.status()
    assert body["payment_gateway_status"] == "past_due"
    assert body["next_action"]["type"] == "pay_invoice"
    row = Subscription.objects.get()
    assert row.access_until is not None
    assert NOW + 35 * DAY < row.access_until < NOW + 40 * DAY

    renewals.advance(NOW + timedelta(days=33))
    _bill_again(stripe, row)
    person.hear_from_stripe()
    later = Subscription.objects.get()
    assert later.latest_invoice_id != row.latest_invoice_id
    assert (later.stripe_status, later.access_until) == ("past_due", row.access_until)
    assert compare(Customer.objects.get(), snapshot=look(renewals.customer, everything=True)) == []

    answer = person.post("payment-method", {"payment_method": "pm_card_mastercard"})

    assert answer.status_code == 200, answer.content
    assert person.words() == ("successful", "active")


def _bill_again(stripe: Sandbox, row: Subscription) -> None:
    """Make a further invoice that is not paid either."""
    stripe.post(
        f"/v1/subscriptions/{row.stripe_subscription_id}",
        **{
            "items[0][id]": row.stripe_item_id,
            "items[0][price]": "price_sandbox_pro",
            "proration_behavior": "always_invoice",
        },
    )

"""Subscriptions with an invoice that is not paid: what is shown, and the way out."""

from datetime import UTC, datetime, timedelta

import pytest

from subscriptions.models import Subscription
from tests.subscriptions.person import Person
from tests.subscriptions.renewals import Renewals

BEGIN = datetime(2026, 11, 4, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def renewals(person: Person) -> Renewals:
    """A subscription whose invoices are sent, to be paid within twenty days."""
    return Renewals(person, BEGIN, collection_method="send_invoice", days_until_due=20)


def test_an_invoice_that_was_sent_has_its_grace_from_the_day_it_was_due(
    person: Person, renewals: Renewals
) -> None:
    """Twenty days to pay, then the seven of the grace."""
    renewals.advance(BEGIN + 21 * DAY)
    person.hear_from_stripe()

    body = person.status()

    assert body["payment_gateway_status"] == "past_due"
    assert body["access_until"] == "2026-12-01T00:00:00Z"


def test_an_overdue_invoice_is_shown_and_paid_behind_a_newer_draft(
    person: Person, renewals: Renewals
) -> None:
    """For an hour after each renewal Stripe's latest invoice is a draft."""
    renewals.advance(BEGIN + 30 * DAY + timedelta(minutes=30))
    person.hear_from_stripe()
    (overdue,) = renewals.invoices("open")
    assert renewals.invoices("draft")

    action = person.status()["next_action"]
    answer = person.post("payment-method", {"payment_method": "pm_card_mastercard"})

    assert action["type"] == "pay_invoice"
    assert action["hosted_invoice_url"] == overdue["hosted_invoice_url"]
    assert (answer.status_code, renewals.invoices("open")) == (200, [])
    assert person.words() == ("successful", "active")


def test_an_unpaid_subscription_has_a_way_out(person: Person, renewals: Renewals) -> None:
    """Its open invoice; where none is left, the user cancels and subscribes again."""
    person.hear_from_stripe()
    rows = Subscription.objects.filter(user_id=person.id)
    rows.update(stripe_status="unpaid", latest_invoice_status="open")
    assert person.status()["next_action"]["type"] == "pay_invoice"
    rows.update(latest_invoice_status="draft")
    assert person.status()["next_action"] == {
        "type": "subscribe_again",
        "client_secret": None,
        "hosted_invoice_url": None,
    }

    assert person.post("cancel", {"at_period_end": False}).status_code == 200
    assert person.subscribe().status_code == 200
    assert person.words() == ("successful", "active")

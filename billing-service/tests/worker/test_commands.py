"""What an operator does with the inbox."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from webhooks.models import WebhookEvent


def webhooks(*arguments: str) -> str:
    """Run manage.py webhooks; return what it printed last."""
    out = StringIO()
    call_command("webhooks", *arguments, stdout=out)
    return out.getvalue().splitlines()[-1]


@pytest.fixture
def person(stripe: Sandbox) -> Person:
    """Someone whose subscription was cancelled in the dashboard."""
    someone = Person(stripe)
    assert someone.subscribe().status_code == 200
    (subscription,) = stripe.subscriptions_of(someone.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    return someone


def test_missed_events_are_fetched_from_stripe(person: Person, stripe: Sandbox) -> None:
    """Deliveries that never came are made up for; those that came are not repeated."""
    events = stripe.new_events()
    deliver(events[0])
    since = datetime.fromtimestamp(events[0]["created"], UTC).isoformat()

    first = webhooks("backfill", "--since", since)
    process_events()

    assert int(first.split()[0]) > 0
    assert person.words() == ("canceled", "canceled")
    assert webhooks("backfill", "--since", since).startswith("0 events")


def test_failed_events_are_replayed(person: Person, stripe: Sandbox) -> None:
    """All of them, one of them, or everything since."""
    for event in stripe.new_events():
        deliver(event)
    WebhookEvent.objects.filter(state="pending").update(state="dead", failures=20)
    dead = WebhookEvent.objects.filter(state="dead")
    one = dead.filter(type="customer.subscription.deleted").get()

    assert webhooks("replay", "--failed", "--dry-run").startswith(f"{dead.count()} events")
    assert dead.filter(pk=one.pk).exists()
    assert webhooks("replay", "--id", one.pk).startswith("1 events")
    process_events()
    assert person.words() == ("canceled", "canceled")
    assert dead.exists()
    webhooks("replay", "--failed")
    process_events()
    assert not dead.exists()
    assert int(webhooks("replay", "--since", "1h").split()[0]) > 1


def test_old_events_are_pruned(person: Person, stripe: Sandbox) -> None:
    """Pending and failed events stay, however old."""
    for event in stripe.new_events():
        deliver(event)
    handled = WebhookEvent.objects.exclude(type="customer.subscription.deleted").first()
    assert handled is not None
    WebhookEvent.objects.filter(pk=handled.pk).update(
        state="handled", received_at=timezone.now() - timedelta(days=91)
    )
    WebhookEvent.objects.filter(type="customer.subscription.deleted").update(
        state="dead", received_at=timezone.now() - timedelta(days=91)
    )

    assert webhooks("prune", "--days", "90", "--dry-run").startswith("1 events")
    assert WebhookEvent.objects.filter(pk=handled.pk).exists()
    assert webhooks("prune", "--days", "90").startswith("1 events")
    assert WebhookEvent.objects.filter(state="dead").exists()
    assert not WebhookEvent.objects.filter(pk=handled.pk).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("when", ["yesterday", "2026-13-01T10:00", "9999999999d", "²d"])
def test_an_unreadable_moment_is_refused(when: str) -> None:
    """The sentence says what would be understood."""
    with pytest.raises(CommandError, match="is not a time"):
        webhooks("replay", "--since", when)


def test_operators_see_the_backlog(person: Person, stripe: Sandbox) -> None:
    """Waiting events and their age are in the metrics."""
    for event in stripe.new_events():
        deliver(event)
    waiting = WebhookEvent.objects.filter(state="pending")
    waiting.update(received_at=timezone.now() - timedelta(seconds=90))

    lines = dict(
        line.rsplit(" ", 1)
        for line in Client().get("/metrics").content.decode().splitlines()
        if not line.startswith("#")
    )

    assert float(lines["billing_webhook_events_pending"]) == waiting.count() > 0
    assert 90 <= float(lines["billing_webhook_lag_seconds"]) < 600
    assert float(lines["billing_webhook_events_dead"]) == 0

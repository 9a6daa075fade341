"""What the nightly job deletes, so that no table grows for ever."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from subscriptions.models import CardFailure, ReconcileRun, SubscribeAttempt
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, Person
from webhooks.models import WebhookEvent
from worker.tasks import prune_nightly, settle


@pytest.fixture
def person(stripe: Sandbox) -> Person:
    """Somebody whose card was refused, and whose next try an outage left open."""
    someone = Person(stripe)
    assert someone.subscribe(DECLINED).status_code == 400
    with stripe.fault(effect="error", status=503):
        assert someone.subscribe().status_code == 503
    return someone


def test_what_is_long_over_is_deleted(person: Person) -> None:
    """Tries, refused cards and comparisons go; what is young, or still open, stays."""
    long_ago = timezone.now() - timedelta(days=settings.BILLING.keep_attempts_days)
    ReconcileRun.objects.create()
    prune_nightly(timestamp=0)
    assert (SubscribeAttempt.objects.count(), CardFailure.objects.count()) == (2, 1)
    assert ReconcileRun.objects.exists()

    SubscribeAttempt.objects.update(created_at=long_ago)
    SubscribeAttempt.objects.exclude(state="open").update(closed_at=long_ago)
    CardFailure.objects.update(at=long_ago)
    ReconcileRun.objects.update(started_at=long_ago)
    prune_nightly(timestamp=0)

    assert SubscribeAttempt.objects.get().state == "open"
    assert not CardFailure.objects.exists()
    assert not ReconcileRun.objects.exists()


def test_handled_events_are_deleted_after_a_while(stripe: Sandbox) -> None:
    """Stripe itself shows an event for 30 days only; one that was given up on stays."""
    someone = Person(stripe)
    assert someone.subscribe().status_code == 200
    someone.hear_from_stripe()
    long_ago = timezone.now() - timedelta(days=settings.BILLING.keep_events_days)
    dead = WebhookEvent.objects.filter(state="handled")[:1].get()
    WebhookEvent.objects.filter(pk=dead.pk).update(state="dead", received_at=long_ago)
    old = WebhookEvent.objects.filter(state="handled")[:1].get()
    WebhookEvent.objects.filter(pk=old.pk).update(received_at=long_ago)
    before = WebhookEvent.objects.count()

    prune_nightly(timestamp=0)

    assert WebhookEvent.objects.count() == before - 1
    assert not WebhookEvent.objects.filter(pk=old.pk).exists()


@pytest.mark.django_db
def test_failed_jobs_are_deleted() -> None:
    """Nobody runs them again; those that wait are kept."""
    for subject in ("failed", "waiting"):
        settle.configure(queueing_lock=subject).defer(subject=subject)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'failed' WHERE queueing_lock = 'failed'"
        )

    prune_nightly(timestamp=0)

    assert ProcrastinateJob.objects.get().queueing_lock == "waiting"

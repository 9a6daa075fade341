"""What the nightly job deletes, so that no table grows forever."""

import asyncio
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from subscriptions.models import CardFailure, ReconcileRun, SubscribeAttempt
from tests.delivery import run_nightly
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, Person
from webhooks.models import WebhookEvent
from worker.run import run_jobs
from worker.tasks import end_old_job, prune_jobs, prune_nightly


@pytest.fixture
def person(stripe: Sandbox) -> Person:
    """A user whose card was declined, and whose next attempt an outage left open."""
    someone = Person(stripe)
    assert someone.subscribe(DECLINED).status_code == 400
    with stripe.fault(effect="error", status=503):
        assert someone.subscribe().status_code == 503
    return someone


def test_what_is_long_over_is_deleted(person: Person) -> None:
    """Tries, refused cards and comparisons go; what is young, or still open, stays."""
    long_ago = timezone.now() - timedelta(days=settings.BILLING.keep_attempts_days)
    ReconcileRun.objects.create()
    run_nightly(prune_nightly)
    assert (SubscribeAttempt.objects.count(), CardFailure.objects.count()) == (2, 1)
    assert ReconcileRun.objects.exists()

    SubscribeAttempt.objects.update(created_at=long_ago)
    SubscribeAttempt.objects.exclude(state="open").update(closed_at=long_ago)
    CardFailure.objects.update(at=long_ago)
    ReconcileRun.objects.update(started_at=long_ago)
    run_nightly(prune_nightly)

    assert SubscribeAttempt.objects.get().state == "open"
    assert not CardFailure.objects.exists()
    assert not ReconcileRun.objects.exists()


def test_handled_events_are_deleted_after_a_while(stripe: Sandbox) -> None:
    """Stripe itself shows an event for 30 days only; failed ones stay."""
    someone = Person(stripe)
    assert someone.subscribe().status_code == 200
    someone.hear_from_stripe()
    long_ago = timezone.now() - timedelta(days=settings.BILLING.keep_events_days)
    dead = WebhookEvent.objects.filter(state="handled")[:1].get()
    WebhookEvent.objects.filter(pk=dead.pk).update(state="dead", received_at=long_ago)
    old = WebhookEvent.objects.filter(state="handled")[:1].get()
    WebhookEvent.objects.filter(pk=old.pk).update(received_at=long_ago)
    before = WebhookEvent.objects.count()

    run_nightly(prune_nightly)

    assert WebhookEvent.objects.count() == before - 1
    assert not WebhookEvent.objects.filter(pk=old.pk).exists()


def test_expired_sessions_of_staff_are_deleted(staff_client: Client) -> None:
    """The one that is in use stays."""
    Session.objects.create(session_key="old", expire_date=timezone.now() - timedelta(seconds=1))

    run_nightly(prune_nightly)

    assert not Session.objects.filter(session_key="old").exists()
    assert staff_client.get("/admin/").status_code == 200


def test_cancelled_jobs_are_deleted(stripe: Sandbox) -> None:
    """They are not run again, and no table grows forever."""
    job_id = end_old_job.configure(queueing_lock="over").defer(subject="over")
    app.job_manager.cancel_job_by_id(job_id)
    prune_jobs.configure().defer(timestamp=0)

    asyncio.run(run_jobs(until_stopped=False))

    assert not ProcrastinateJob.objects.filter(pk=job_id).exists()

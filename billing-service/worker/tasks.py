"""Periodic jobs: the sweeps that finish what was left open, the nightly comparison and clean-up."""

import logging
from collections.abc import Generator
from contextlib import closing
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted

from backoffice import bulk_actions
from backoffice.user_deletion import finish_deletions
from subscriptions.managing import charges
from subscriptions.models import ReconcileRun
from subscriptions.subscribing import subscribe
from subscriptions.sync import reconcile
from subscriptions.sync.contacts import send_contacts
from subscriptions.sync.overtime import refresh_overtime
from webhooks.pending import has_pending_event
from worker.retention import prune_attempts, prune_events, prune_sessions

EACH_MINUTE = "* * * * *"
EACH_NIGHT = "17 3 * * *"
EACH_LATER_NIGHT = "47 3 * * *"

# A job that ended with its worker begins again with the next one.
_AFTER_RESTART = RetryStrategy(retry_exceptions={JobAborted}, wait=0)
_SWEEPERS = "sweepers"
# The next sweep is never far.
_SWEEP_SECONDS = 50.0

_log = logging.getLogger(__name__)


@app.task(queue="webhooks", name="webhooks.settle")
def end_old_job(subject: str) -> None:
    """End the jobs that an earlier version put beside each event; the events themselves are due."""


# Without a lock: it would be held by a worker that died, and the others would never free it.
@app.periodic(cron=EACH_MINUTE)
@app.task(queue=_SWEEPERS, queueing_lock="sweep-inbox", name="webhooks.sweep", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Run the jobs of dead workers again, which hold their locks until then."""
    jobs = context.app.job_manager
    for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=60):
        await jobs.retry_job(job)


@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS, queueing_lock="sweep-attempts", lock="sweep-attempts", name="attempts.sweep"
)
def sweep_attempts(timestamp: int) -> None:
    """Finish attempts to subscribe that a dead process or an outage of Stripe left open."""
    subscribe.recover(seconds=_SWEEP_SECONDS)


@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS, queueing_lock="sweep-deletions", lock="sweep-deletions", name="users.sweep"
)
def sweep_deletions(timestamp: int) -> None:
    """Continue with deletions that waited for Stripe or auth-service."""
    finish_deletions()


@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS, queueing_lock="sweep-periods", lock="sweep-periods", name="periods.sweep"
)
def sweep_periods(timestamp: int) -> None:
    """Look at subscriptions whose paid period has ended without news from Stripe."""
    refresh_overtime(seconds=_SWEEP_SECONDS)


@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS, queueing_lock="sweep-contacts", lock="sweep-contacts", name="contacts.sweep"
)
def sweep_contacts(timestamp: int) -> None:
    """Send Stripe the names and e-mail addresses of users that have changed."""
    send_contacts(seconds=_SWEEP_SECONDS)


# Without a retry: a worker that ends leaves the rest to the sweep of the next minute.
@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS,
    queueing_lock="sweep-bulk-actions",
    lock="sweep-bulk-actions",
    name=bulk_actions.JOB,
    pass_context=True,
)
def sweep_bulk_actions(context: JobContext, timestamp: int) -> None:
    """Go on with what staff started for many rows in the admin."""
    for _ in bulk_actions.advance(seconds=_SWEEP_SECONDS):
        if context.should_abort():
            return


@app.periodic(cron=EACH_NIGHT)
@app.task(
    queue=_SWEEPERS,
    queueing_lock="reconcile",
    lock="reconcile",
    name="reconcile.nightly",
    retry=_AFTER_RESTART,
    pass_context=True,
)
def reconcile_nightly(context: JobContext, timestamp: int) -> None:
    """Compare everything with Stripe and leave the result for the admin to show."""
    record = reconcile.unfinished_run(nightly=True) or ReconcileRun(nightly=True)
    steps = reconcile.run(record, has_pending_event=has_pending_event, follow_charge=charges.follow)
    _do(steps, context=context)
    if warning := reconcile.loss_warning(record):
        _log.error(warning)


@app.periodic(cron=EACH_LATER_NIGHT)
@app.task(
    queue=_SWEEPERS,
    queueing_lock="prune",
    lock="prune",
    name="webhooks.prune",
    retry=_AFTER_RESTART,
    pass_context=True,
)
def prune_nightly(context: JobContext, timestamp: int) -> None:
    """Delete what has been kept for as long as the settings say."""
    now, keep = timezone.now(), settings.BILLING
    _do(prune_events(now - timedelta(days=keep.keep_events_days)), context=context)
    _do(prune_attempts(now - timedelta(days=keep.keep_attempts_days)), context=context)
    _do(prune_sessions(), context=context)


def _do(steps: Generator[object, None, None], *, context: JobContext) -> None:
    """Do a long job step by step; when the worker ends, the next one continues from there.

    Raises:
        JobAborted: The worker is ending.
    """
    with closing(steps):
        for _ in steps:
            if context.should_abort():
                raise JobAborted


@app.periodic(cron=EACH_LATER_NIGHT)
@app.task(queue=_SWEEPERS, queueing_lock="prune-jobs", name="jobs.prune", pass_context=True)
async def prune_jobs(context: JobContext, timestamp: int) -> None:
    """Delete the jobs that failed or were cancelled; the worker deletes the others itself."""
    await context.app.job_manager.delete_old_jobs(
        nb_hours=0, include_failed=True, include_cancelled=True, include_aborted=True
    )

"""Jobs of the worker: one per subject with news, and the sweepers that pick up what was left."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from backoffice.user_deletion import finish_deletions
from subscriptions.models import ReconcileRun
from subscriptions.subscribing import subscribe
from subscriptions.sync import reconcile
from webhooks import process
from webhooks.awaited import is_awaited
from webhooks.inbox import QUEUE, SETTLE_TASK, enqueue
from worker.rate_limiter import Pace
from worker.retention import prune_attempts, prune_events, prune_jobs

EACH_MINUTE = "* * * * *"
EACH_NIGHT = "17 3 * * *"
EACH_LATER_NIGHT = "47 3 * * *"
# Of one worker: what Stripe allows in test mode, a quarter of what it allows a live account.
_pace = Pace(per_second=25, at_once=50)

_SWEEPERS = "sweepers"
# The next sweep is never far.
_SWEEP_SECONDS = 50.0

# A live worker writes its heartbeat every ten seconds.
_DROP_JOBS_OF_DEAD_WORKERS = """
DELETE FROM procrastinate_jobs AS job
WHERE job.status = 'doing' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_workers AS worker
    WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - interval '60 seconds'
)
"""

_FORGOTTEN_SUBJECTS = """
SELECT DISTINCT subject FROM webhooks_webhookevent AS event
WHERE event.state = 'pending' AND event.received_at < now() - interval '60 seconds'
AND NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs AS job
    WHERE job.queueing_lock = event.subject AND job.status IN ('todo', 'doing')
)
LIMIT 1000
"""


@app.task(queue=QUEUE, name=SETTLE_TASK)
def settle(subject: str) -> None:
    """Handle the pending events of one customer, product or price."""
    # Events that arrive while it waits are handled with the others.
    _pace.wait()
    process.settle(subject)


# Without a lock: it would be held by a sweeper that died, and nobody else would drop that job.
@app.periodic(cron=EACH_MINUTE)
@app.task(queue=_SWEEPERS, queueing_lock="sweep-inbox", name="webhooks.sweep")
def sweep_inbox(timestamp: int) -> None:
    """Give events whose job was lost with its worker a new one."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP_JOBS_OF_DEAD_WORKERS)
        cursor.execute(_FORGOTTEN_SUBJECTS)
        subjects = [subject for (subject,) in cursor.fetchall()]
    enqueue(subjects)


@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS, queueing_lock="sweep-attempts", lock="sweep-attempts", name="attempts.sweep"
)
def sweep_attempts(timestamp: int) -> None:
    """Finish tries to subscribe that a dead process or an absent Stripe left open."""
    subscribe.finish_stale(seconds=_SWEEP_SECONDS)


@app.periodic(cron=EACH_MINUTE)
@app.task(
    queue=_SWEEPERS, queueing_lock="sweep-deletions", lock="sweep-deletions", name="users.sweep"
)
def sweep_deletions(timestamp: int) -> None:
    """Carry on with deletions that waited for Stripe or auth-service."""
    finish_deletions()


@app.periodic(cron=EACH_NIGHT)
@app.task(queue=_SWEEPERS, queueing_lock="reconcile", lock="reconcile", name="reconcile.nightly")
def reconcile_nightly(timestamp: int) -> None:
    """Compare everything with Stripe and leave the result for the admin to show."""
    record = reconcile.unfinished_run(nightly=True) or ReconcileRun(nightly=True)
    for _ in reconcile.run(record, is_awaited=is_awaited):
        pass


@app.periodic(cron=EACH_LATER_NIGHT)
@app.task(queue=_SWEEPERS, queueing_lock="prune", lock="prune", name="webhooks.prune")
def prune_nightly(timestamp: int) -> None:
    """Delete what has been kept for as long as the settings say."""
    now, keep = timezone.now(), settings.BILLING
    for _ in prune_events(now - timedelta(days=keep.keep_events_days)):
        pass
    for _ in prune_attempts(now - timedelta(days=keep.keep_attempts_days)):
        pass
    prune_jobs()

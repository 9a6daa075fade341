"""Stores deliveries, and the jobs that handle them, in one statement and so in one transaction.

The job is inserted as Procrastinate 3 does it, but with ON CONFLICT: Procrastinate's own defer
raises when the customer has a waiting job, which costs a savepoint and three more round trips for
the common case.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection

from webhooks.event_types import Delivery

QUEUE = "webhooks"
SETTLE_TASK = "webhooks.settle"

_COLUMNS = "(queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)"
_JOB = f"""'{QUEUE}', '{SETTLE_TASK}', 0, subject, subject,
       jsonb_build_object('subject', subject)"""
_WAITING = "(queueing_lock) WHERE status = 'todo'"

# A waiting job of the same subject stays locked until this transaction ends, so no worker can take
# it before the event it shall cover is visible. A job that runs already does not conflict: the
# event gets a job of its own. Fresh news also ends a wait between tries.
_STORE = f"""
WITH stored AS (
    INSERT INTO webhooks_webhookevent
        (id, type, subject, object_id, request_id, idempotency_key, state,
         stripe_created_at, received_at, failures, last_error)
    VALUES (%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s), now(), 0, '')
    ON CONFLICT (id) DO NOTHING
    RETURNING subject, state
)
INSERT INTO procrastinate_jobs {_COLUMNS}
SELECT {_JOB}, NULL FROM stored WHERE state = 'pending'
ON CONFLICT {_WAITING} DO UPDATE SET scheduled_at = NULL
"""  # noqa: S608 - constants of this module

_ENQUEUE = f"""
INSERT INTO procrastinate_jobs {_COLUMNS}
SELECT {_JOB}, NULL FROM unnest(%s::text[]) AS subject ORDER BY subject
ON CONFLICT {_WAITING} DO UPDATE SET scheduled_at = NULL
"""  # noqa: S608 - constants of this module

_ENQUEUE_LATER = f"""
INSERT INTO procrastinate_jobs {_COLUMNS}
SELECT {_JOB}, now() + make_interval(secs => %s) FROM unnest(%s::text[]) AS subject
ON CONFLICT {_WAITING} DO NOTHING
"""  # noqa: S608 - constants of this module


def store(delivery: Delivery) -> None:
    """Keep an event and make sure that a job will handle it; a second delivery changes nothing.

    Args:
        delivery: What is kept of the event.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            (
                delivery.id,
                delivery.type,
                delivery.subject,
                delivery.object_id,
                delivery.request_id,
                delivery.idempotency_key,
                "pending" if delivery.is_handled else "ignored",
                delivery.created,
            ),
        )


def enqueue(subjects: Sequence[str]) -> None:
    """Make sure that a job for each subject runs as soon as a worker is free.

    Args:
        subjects: Customers', products' or prices' ids.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE, (sorted(set(subjects)),))


def enqueue_later(subject: str, *, delay: timedelta) -> None:
    """Make sure that a job for a subject runs, at the latest after a while.

    Args:
        subject: A customer's, product's or price's id.
        delay: How long the job waits if none is waiting already.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE_LATER, (delay.total_seconds(), [subject]))

"""Stores deliveries. The table of events is the queue as well: a pending one is due at its time.

A row is inserted, and nothing is announced: the worker looks for due events by itself, which also
works through a connection pooler in transaction mode, where LISTEN does not.
"""

from django.db import connection

from webhooks.event_types import Delivery

# What an event that is being processed says of its last attempt.
INTERRUPTED = "The worker ended during the attempt."

# Fresh news ends a pause between attempts: what stopped the earlier ones may be over.
_STORE = """
WITH stored AS (
    INSERT INTO webhooks_webhookevent
        (id, type, subject, object_id, request_id, idempotency_key, state,
         stripe_created_at, received_at, next_attempt_at, failures, last_error)
    VALUES (%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s), now(), now(), 0, '')
    ON CONFLICT (id) DO NOTHING
    RETURNING subject, state
)
UPDATE webhooks_webhookevent AS waiting SET next_attempt_at = now() FROM stored
WHERE stored.state = 'pending' AND waiting.state = 'pending'
    AND waiting.subject = stored.subject AND waiting.next_attempt_at > now()
    AND waiting.last_error <> %s
"""


def store(delivery: Delivery) -> None:
    """Keep an event, due at once if it is of a type that is handled.

    A second delivery changes nothing.
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
                INTERRUPTED,
            ),
        )

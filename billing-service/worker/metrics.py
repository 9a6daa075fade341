"""Gauges read from the database: events, attempts and comparisons that are not finished."""

from collections.abc import Iterator

from django.db import connection
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

# Partial indexes answer all of these, however many rows there are.
_GAUGES = {
    "billing_webhook_events_pending": (
        "Stored events that are not processed yet.",
        "SELECT count(*) FROM webhooks_webhookevent WHERE state = 'pending'",
    ),
    "billing_webhook_lag_seconds": (
        "Age of the oldest event that is not processed yet.",
        """SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0)
        FROM webhooks_webhookevent WHERE state = 'pending'""",
    ),
    "billing_webhook_events_dead": (
        "Events that failed; replay them when the cause is fixed.",
        "SELECT count(*) FROM webhooks_webhookevent WHERE state = 'dead'",
    ),
    "billing_subscribe_attempts_open": (
        "Attempts to subscribe whose outcome is not known yet.",
        "SELECT count(*) FROM subscriptions_subscribeattempt WHERE state = 'open'",
    ),
    "billing_subscribe_attempts_oldest_seconds": (
        "Age of the oldest of them.",
        """SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)
        FROM subscriptions_subscribeattempt WHERE state = 'open'""",
    ),
    "billing_reconcile_differences": (
        "What the last finished comparison with Stripe found and did not repair.",
        """SELECT count(*) FROM (SELECT drift FROM subscriptions_reconcilerun
        WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1) AS last,
        jsonb_array_elements(last.drift) AS each
        WHERE NOT coalesce((each->>'repaired')::boolean, false)""",
    ),
    "billing_reconcile_finished_timestamp_seconds": (
        "When that was.",
        "SELECT coalesce(extract(epoch FROM max(finished_at)), 0) FROM subscriptions_reconcilerun",
    ),
}


class _Backlog(Collector):
    """Queries the database at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge."""
        with connection.cursor() as cursor:
            for name, (meaning, query) in _GAUGES.items():
                cursor.execute(query)
                yield GaugeMetricFamily(name, meaning, value=float(cursor.fetchone()[0]))


# A registry of its own: these are facts about the database, not sums over worker processes.
BACKLOG = CollectorRegistry()
BACKLOG.register(_Backlog())

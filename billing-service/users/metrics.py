"""Metrics of our copy of users."""

from prometheus_client import Gauge

FEED_READ = Gauge(
    "billing_user_feed_read_timestamp_seconds",
    "When the worker last read auth-service's user changes to their end; its age is the lag.",
    multiprocess_mode="mostrecent",
)

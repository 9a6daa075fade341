"""Metrics of token verification."""

from prometheus_client import Counter, Gauge

KEY_SET_FETCHES = Counter(
    "billing_key_set_fetches", "Attempts to fetch auth-service's keys.", ["outcome"]
)
KEY_SET_CONFIRMED = Gauge(
    "billing_key_set_confirmed_timestamp_seconds",
    "When the oldest key set in use was last confirmed by auth-service.",
    multiprocess_mode="livemin",
)
UNKNOWN_KIDS = Counter("billing_unknown_kids", "Tokens refused because their kid is unknown.")
REFUSED_TOKENS = Counter("billing_refused_access_tokens", "Access tokens refused.", ["reason"])
REVOCATIONS_LOADED = Gauge(
    "billing_revocations_loaded_timestamp_seconds",
    "When the process that is furthest behind last learned whose tokens are revoked.",
    multiprocess_mode="livemin",
)

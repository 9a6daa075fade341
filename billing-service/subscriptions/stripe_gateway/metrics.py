"""How calls at Stripe end and how long they take, for Prometheus."""

from prometheus_client import Histogram

STRIPE_CALLS = Histogram(
    "billing_stripe_call_seconds",
    "Calls at Stripe by outcome, the SDK's own retries included.",
    ["outcome"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25),
)

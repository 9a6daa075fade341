"""Stripe is slow: `make slow-stripe` measures what this test only checks."""

from e2e.slow_stripe import SUBSCRIBERS, measure
from e2e.system import RunningSystem


def test_every_user_is_served_while_stripe_is_slow(running: RunningSystem) -> None:
    """More users than Stripe calls or database connections at a time, and all subscribe.

    Status requests are answered meanwhile.
    """
    found = measure(running, latency_milliseconds=300)

    assert found.subscribes == {200: SUBSCRIBERS}
    assert found.loaded

"""Stripe takes its time; `make slow-stripe` measures what this test only tries."""

from e2e.slow_stripe import SUBSCRIBERS, measure
from e2e.system import RunningSystem


def test_everybody_is_served_while_stripe_is_slow(running: RunningSystem) -> None:
    """More than there are turns with Stripe or database connections, and all end well.

    A look at one's status is answered meanwhile.
    """
    found = measure(running, latency_milliseconds=300)

    assert found.subscribes == {200: SUBSCRIBERS}
    assert found.loaded

"""The worker's pace at Stripe."""

from worker.rate_limiter import RateLimiter


class Time:
    """A clock that moves when someone sleeps."""

    now = 1000.0

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def test_a_burst_passes_at_once_and_the_rest_in_turn() -> None:
    """A few customers' news never wait; thousands do not use up what Stripe allows."""
    time = Time()
    limiter = RateLimiter(per_second=10, at_once=4, clock=time.clock, sleep=time.sleep)

    passed = []
    for _ in range(7):
        limiter.wait()
        passed.append(round(time.now - 1000, 6))

    assert passed == [0, 0, 0, 0, 0.1, 0.2, 0.3]


def test_what_is_not_used_is_saved_up_to_a_limit() -> None:
    """A quiet night does not allow a thousand at once in the morning."""
    time = Time()
    limiter = RateLimiter(per_second=10, at_once=2, clock=time.clock, sleep=time.sleep)
    time.sleep(3600)
    began = time.now

    for _ in range(3):
        limiter.wait()

    assert round(time.now - began, 6) == 0.1

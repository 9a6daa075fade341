"""The worker's pace at Stripe."""

from collections import Counter
from typing import Any

import pytest

from subscriptions.stripe_gateway import client as stripe_client
from tests.delivery import deliver, process_events, run_nightly
from tests.subscriptions.person import Person
from worker.rate_limiter import RateLimiter
from worker.tasks import reconcile_nightly


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


def test_work_is_taken_on_when_its_calls_need_not_wait() -> None:
    """What arrives until then is done with the same calls; to wait takes no turn away."""
    time = Time()
    limiter = RateLimiter(per_second=10, at_once=1, clock=time.clock, sleep=time.sleep)
    for _ in range(3):
        limiter.wait()
    began = time.now

    limiter.wait_for_room()
    limiter.wait_for_room()
    limiter.wait()

    assert round(time.now - began, 6) == 0.1


def test_each_call_of_a_worker_waits_for_its_turn(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at a customer is several calls, and the nightly comparison makes them as well."""
    assert person.subscribe().status_code == 200
    for event in person.stripe.new_events():
        deliver(event)
    seen: Counter[str] = Counter()
    send = stripe_client.call_unchecked

    def counted(*args: Any, **kwargs: Any) -> dict[str, Any]:
        seen["calls"] += 1
        return send(*args, **kwargs)

    monkeypatch.setattr(stripe_client, "call_unchecked", counted)
    stripe_client.pace_calls(lambda: seen.update(["turns"]))
    try:
        process_events()
        after_events = seen.copy()
        run_nightly(reconcile_nightly)
    finally:
        stripe_client.pace_calls(None)

    assert after_events["turns"] == after_events["calls"] >= 3
    assert seen["turns"] == seen["calls"] >= after_events["calls"] + 3

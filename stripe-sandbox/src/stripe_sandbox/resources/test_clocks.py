"""Test clocks: time that advances on request."""

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.state import TestClockState
from stripe_sandbox.objects.system import TestClock
from stripe_sandbox.rules import due_actions, periods, subscriptions
from stripe_sandbox.storage.kinds import CUSTOMER, PRICE, SUBSCRIPTION, TEST_CLOCK
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

_LIFETIME = 30 * 86400


@handles("test_helpers.test_clocks.create")
def create(call: Call) -> Thing:
    """A clock that stands still at a time; live mode has none."""
    if call.work.live:
        raise InvalidRequest("Test clocks are only available in test mode.")
    now = call.work.now()
    frozen = call.params["frozen_time"]
    clock = call.work.create(
        TEST_CLOCK,
        {
            "created": now,
            "deletes_after": now + _LIFETIME,
            "frozen_time": frozen,
            "name": call.params.get("name"),
            "status": "ready",
            "status_details": {},
        },
    )
    call.work.state(clock, TestClockState).reached = frozen
    emit(call.work, "test_helpers.test_clock.created", clock)
    return clock


retrieves("test_helpers.test_clocks.retrieve", TEST_CLOCK)


@handles("test_helpers.test_clocks.list")
def list_clocks(call: Call) -> Thing:
    """Clocks, newest first."""
    return page(call, TEST_CLOCK, {})


@handles("test_helpers.test_clocks.advance")
def advance(call: Call) -> Thing:
    """Advance a clock; what becomes due on the way is done after the answer."""
    clock = call.work.get(TEST_CLOCK, call.id)
    target = call.params["frozen_time"]
    if clock["status"] != "ready":
        raise InvalidRequest("The test clock is currently advancing.", param="frozen_time")
    if target <= clock["frozen_time"]:
        raise InvalidRequest(
            "The new time must be after the test clock's current frozen time.", param="frozen_time"
        )
    if target > _farthest(call.work, clock):
        raise InvalidRequest(
            "The new time cannot be more than two intervals in the future from the shortest "
            "subscription in this test clock, or two years if it has no subscription.",
            param="frozen_time",
        )
    clock |= {
        "status": "advancing",
        "status_details": {"advancing": {"target_frozen_time": target}},
    }
    emit(call.work, "test_helpers.test_clock.advancing", call.work.save(clock))
    return clock


def _farthest(work: Work, clock: TestClock) -> int:
    """The latest time that a clock may advance to at once."""
    now = clock["frozen_time"]
    ends = [
        periods.add(now, recurring["interval"], 2 * recurring["interval_count"])
        for subscription in work.all(SUBSCRIPTION, {"test_clock": clock["id"]})
        if subscription["status"] not in subscriptions.ENDED
        for item in subscription["items"]["data"]
        if (recurring := work.get(PRICE, item["price"])["recurring"])
    ]
    return min(ends, default=periods.add(now, "year", 2))


@handles("test_helpers.test_clocks.delete")
def delete(call: Call) -> Thing:
    """Delete a clock, and its customers with their subscriptions."""
    work = call.work
    clock = work.get(TEST_CLOCK, call.id)
    for subscription in work.all(SUBSCRIPTION, {"test_clock": clock["id"]}):
        work.delete(subscription)
    for customer in work.all(CUSTOMER, {"test_clock": clock["id"]}):
        work.delete(customer)
    due_actions.stop(work, clock["id"])
    emit(work, "test_helpers.test_clock.deleted", clock)
    return work.delete(clock)

"""Test clocks: time that moves when it is told to."""

from typing import Any

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.rules import due_actions, periods, subscriptions
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

Json = dict[str, Any]

_LIFETIME = 30 * 86400


@handles("test_helpers.test_clocks.create")
def create(call: Call) -> Json:
    """A clock that stands still at a time."""
    now = call.work.now()
    frozen = call.params["frozen_time"]
    clock = call.work.create(
        "test_helpers.test_clock",
        {
            "created": now,
            "deletes_after": now + _LIFETIME,
            "frozen_time": frozen,
            "name": call.params.get("name"),
            "status": "ready",
            "status_details": {},
            "_now": frozen,
        },
    )
    emit(call.work, "test_helpers.test_clock.created", clock)
    return clock


@handles("test_helpers.test_clocks.retrieve")
def retrieve(call: Call) -> Json:
    """One clock; `status` says whether it has arrived."""
    return call.work.get("test_helpers.test_clock", call.id)


@handles("test_helpers.test_clocks.list")
def list_clocks(call: Call) -> Json:
    """Clocks, newest first."""
    return page(call, "test_helpers.test_clock", {})


@handles("test_helpers.test_clocks.advance")
def advance(call: Call) -> Json:
    """Send a clock forward; everything due on the way is done after the answer."""
    clock = call.work.get("test_helpers.test_clock", call.id)
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


def _farthest(work: Work, clock: Json) -> int:
    """How far a clock may be sent at once."""
    now = clock["frozen_time"]
    ends = [
        periods.add(now, price["recurring"]["interval"], 2 * price["recurring"]["interval_count"])
        for subscription in work.all("subscription", test_clock=clock["id"])
        if subscription["status"] not in subscriptions.ENDED
        for item in subscription["items"]["data"]
        if (price := work.get("price", item["price"]))
    ]
    return min(ends, default=periods.add(now, "year", 2))


@handles("test_helpers.test_clocks.delete")
def delete(call: Call) -> Json:
    """Delete a clock, and the customers that live on it."""
    work = call.work
    clock = work.get("test_helpers.test_clock", call.id)
    for subscription in work.all("subscription", test_clock=clock["id"]):
        work.delete(subscription)
    for customer in work.all("customer", test_clock=clock["id"]):
        work.delete(customer)
    due_actions.stop(work, clock["id"])
    emit(work, "test_helpers.test_clock.deleted", clock)
    return work.delete(clock)

"""Does the actions that are due, on the sandbox's clock or on a test clock."""

from stripe_sandbox.api.registry import DUE
from stripe_sandbox.objects.state import TestClockState
from stripe_sandbox.storage.kinds import TEST_CLOCK
from stripe_sandbox.storage.store import Store, Work
from stripe_sandbox.webhooks.events import emit

# What the answer to a payment leaves for a moment later. The CLI's own fixtures confirm a payment
# and list its dispute in the next request, so Stripe has it by then.
FOLLOW_UPS = ("charge.book", "charge.dispute")


def next_step(store: Store, *, clock: str, until: int, only: tuple[str, ...] | None = None) -> bool:
    """Do the earliest due action of a clock in a unit of work of its own.

    Args:
        clock: A test clock's id, or an empty string for the sandbox's clock.
        until: Actions due after this are left alone.
        only: The actions to do; None for all.

    Returns:
        Whether there was one.
    """
    with store.work() as work:
        step = _take(work, clock, until, only)
        if step is None:
            return False
        identifier, action, at = step
        if clock:
            state = work.state(work.get(TEST_CLOCK, clock), TestClockState)
            state.reached = max(state.reached, at)
        thing = work.find_any(identifier)
        if thing:
            DUE[action](work, thing)
    return True


def drop_step(store: Store, *, clock: str, until: int, only: tuple[str, ...] | None = None) -> None:
    """Forget the earliest due action of a clock."""
    with store.work() as work:
        _take(work, clock, until, only)


def _take(
    work: Work, clock: str, until: int, only: tuple[str, ...] | None
) -> tuple[str, str, int] | None:
    """Remove the earliest due action: an object's id, the action, and its time."""
    among = f"AND action IN ({', '.join('?' * len(only))})" if only else ""
    rows = work.query(
        f"SELECT object, action, at FROM due WHERE clock = ? AND at <= ? {among}"  # noqa: S608
        " ORDER BY at, object, action LIMIT 1",
        (clock, until, *(only or ())),
    )
    if not rows:
        return None
    identifier, action, at = rows[0]
    work.execute("DELETE FROM due WHERE object = ? AND action = ?", (identifier, action))
    return identifier, action, at


def stop(work: Work, clock: str) -> None:
    """Forget all actions of a test clock, also those of objects that outlive it."""
    work.execute("DELETE FROM due WHERE clock = ?", (clock,))


def arrive(store: Store, clock: str) -> None:
    """Mark an advancing test clock as ready, unless it was deleted on its way."""
    with store.work() as work:
        found = work.find(TEST_CLOCK, clock)
        if found is None:
            return
        target = found["status_details"]["advancing"]["target_frozen_time"]
        found |= {"frozen_time": target, "status": "ready", "status_details": {}}
        work.state(found, TestClockState).reached = target
        emit(work, "test_helpers.test_clock.ready", work.save(found))


def fail(store: Store, clock: str) -> None:
    """Mark a test clock as failed, because a due action raised an error."""
    with store.work() as work:
        found = work.find(TEST_CLOCK, clock)
        if found is None:
            return
        found |= {"status": "internal_failure", "status_details": {}}
        emit(work, "test_helpers.test_clock.internal_failure", work.save(found))


def advancing(store: Store) -> list[tuple[str, int]]:
    """Test clocks that are advancing, with their target times."""
    with store.work() as work:
        return [
            (clock["id"], clock["status_details"]["advancing"]["target_frozen_time"])
            for clock in work.all(TEST_CLOCK, {})
            if clock["status"] == "advancing"
        ]

"""Does what has fallen due, on the sandbox's clock or on a test clock."""

from stripe_sandbox.api.registry import DUE
from stripe_sandbox.storage.store import Store, Work
from stripe_sandbox.webhooks.events import emit


def next_step(store: Store, *, clock: str, until: int) -> bool:
    """Do the earliest due action of a clock in a unit of work of its own.

    Args:
        store: The data.
        clock: A test clock's id, or an empty string for the sandbox's clock.
        until: Actions due after this are left alone.

    Returns:
        Whether there was one.
    """
    with store.work() as work:
        step = _take(work, clock, until)
        if step is None:
            return False
        identifier, action, at = step
        if clock:
            hand = work.get("test_helpers.test_clock", clock)
            hand["_now"] = max(hand["_now"], at)
            work.save(hand)
        thing = work.find(identifier)
        if thing:
            DUE[action](work, thing)
    return True


def drop_step(store: Store, *, clock: str, until: int) -> None:
    """Forget the earliest due action of a clock."""
    with store.work() as work:
        _take(work, clock, until)


def _take(work: Work, clock: str, until: int) -> tuple[str, str, int] | None:
    """The earliest due action, off the calendar: an object, what to do, and when."""
    rows = work.query(
        "SELECT object, action, at FROM due WHERE clock = ? AND at <= ?"
        " ORDER BY at, object, action LIMIT 1",
        (clock, until),
    )
    if not rows:
        return None
    identifier, action, at = rows[0]
    work.execute("DELETE FROM due WHERE object = ? AND action = ?", (identifier, action))
    return identifier, action, at


def stop(work: Work, clock: str) -> None:
    """Take everything off a test clock's calendar, also of objects that outlive the clock."""
    work.execute("DELETE FROM due WHERE clock = ?", (clock,))


def arrive(store: Store, clock: str) -> None:
    """Mark an advancing test clock as ready, unless it was deleted on its way."""
    with store.work() as work:
        hand = work.find(clock)
        if hand is None:
            return
        target = hand["status_details"]["advancing"]["target_frozen_time"]
        hand |= {"frozen_time": target, "_now": target, "status": "ready", "status_details": {}}
        emit(work, "test_helpers.test_clock.ready", work.save(hand))


def fail(store: Store, clock: str) -> None:
    """Mark a test clock as broken, because an action that fell due could not be done."""
    with store.work() as work:
        hand = work.find(clock)
        if hand is None:
            return
        hand |= {"status": "internal_failure", "status_details": {}}
        emit(work, "test_helpers.test_clock.internal_failure", work.save(hand))


def advancing(store: Store) -> list[tuple[str, int]]:
    """Test clocks on their way, with the time they are to arrive at."""
    with store.work() as work:
        return [
            (hand["id"], hand["status_details"]["advancing"]["target_frozen_time"])
            for hand in work.all("test_helpers.test_clock")
            if hand["status"] == "advancing"
        ]

"""Test clocks: how far they go, and what becomes of them on the way."""

from tests.scenes import DAY, NEW_YEAR, Scene
from tests.server import Server


def test_a_clock_deleted_on_its_way_stops_no_other(server: Server, scene: Scene) -> None:
    """Deleting an advancing clock leaves time going on every other clock."""
    deleted = scene.on_a_clock().clock.id
    for _ in range(12):
        scene.subscription(scene.customer())
    clocks = scene.v1.test_helpers.test_clocks
    clocks.advance(deleted, {"frozen_time": NEW_YEAR + 55 * DAY})
    clocks.delete(deleted)

    other = Scene(server, scene.client).on_a_clock()
    other.subscription(other.customer())

    assert other.after(40 * DAY).clock.status == "ready"

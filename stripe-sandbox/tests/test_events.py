"""What events carry."""

from typing import Any

from stripe_sandbox.sdk import response_shapes
from tests.scenes import Scene


def test_every_event_fits_the_class_of_its_object(scene: Scene) -> None:
    """What webhooks carry has the same shape as what the API answers."""
    scene.subscription(scene.customer())
    checked = 0
    for event in scene.v1.events.list({"limit": 100}).auto_paging_iter():
        thing = event.data.object.to_dict()
        kind = response_shapes.resource(thing["object"])
        assert response_shapes.problems(kind, _plain(thing), event.type) == []
        checked += 1
    assert checked > 5


def _plain(value: Any) -> Any:
    """The SDK reads decimals into Decimal; the wire carries strings."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if type(value).__name__ == "Decimal" else value

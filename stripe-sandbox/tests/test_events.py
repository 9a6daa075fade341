"""What events carry."""

from stripe_sandbox.sdk import response_shapes
from tests import plain_http
from tests.scenes import Scene


def test_every_event_fits_the_class_of_its_object(scene: Scene) -> None:
    """What webhooks carry has the same shape as what the API answers; this test runs last."""
    subscription = scene.subscription(scene.customer())
    headers = {"Authorization": f"Bearer {scene.server.api_key}"}
    newest, page, checked = "", {"has_more": True}, 0
    with plain_http.Client(base_url=scene.server.url, headers=headers, timeout=60) as api:
        while page["has_more"]:
            page = api.get(f"/v1/events?limit=100{newest}").json()
            for event in page["data"]:
                thing = event["data"]["object"]
                kind = response_shapes.resource(thing["object"])
                assert response_shapes.problems(kind, thing, event["type"]) == []
                checked += thing["id"] == subscription.id
            newest = f"&starting_after={page['data'][-1]['id']}"
    assert checked

"""Webhooks arrive signed, are retried until they are taken, and can be sent again."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.receiver import Receiver
from tests.scenes import Scene
from tests.server import Server, wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A sandbox of this module's own, which retries a thousand times faster than Stripe."""
    with Server("--retry-speed", "1000") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    """stripe-python, pointed at this module's sandbox."""
    return server.client()


@pytest.fixture
def scene(server: Server, client: Any) -> Scene:
    """Customers and subscriptions in this module's sandbox."""
    return Scene(server, client)


def listen(client: Any, receiver: Receiver, *types: str) -> str:
    """Have events sent to a receiver; answers the endpoint's id."""
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": list(types) or ["*"]}
    )
    receiver.secret = str(endpoint.secret)
    return str(endpoint.id)


def test_a_subscription_sends_signed_events(scene: Scene) -> None:
    """The receiver verifies each event with the endpoint's secret; their order is not promised."""
    wanted = {
        *("customer.created", "customer.subscription.created"),
        *("invoice.paid", "payment_intent.succeeded"),
    }
    with Receiver() as receiver:
        endpoint = listen(scene.client, receiver)
        subscription = scene.subscription(scene.customer())
        received = receiver.wait_for(lambda got: wanted <= {one.event.type for one in got})
        scene.v1.webhook_endpoints.delete(endpoint)

    created = next(one for one in received if one.event.type == "customer.subscription.created")
    assert created.event.data.object.id == subscription.id
    assert created.event.data.object.status == "active"
    assert created.event.api_version == "2026-10-28.endive"


def test_only_wanted_events_are_sent(scene: Scene) -> None:
    """An endpoint gets the types it asked for."""
    with Receiver() as receiver:
        endpoint = listen(scene.client, receiver, "customer.updated")
        customer = scene.customer()
        scene.v1.customers.update(customer.id, {"name": "Ada"})
        received = receiver.wait_for(lambda got: len(got) == 1)
        scene.v1.webhook_endpoints.delete(endpoint)

    assert received[0].event.type == "customer.updated"
    assert received[0].event.data.previous_attributes.to_dict() == {"name": None}
    assert received[0].event.request.id.startswith("req_")


def test_a_refused_event_is_sent_again(scene: Scene) -> None:
    """Anything but 2xx is tried again; `pending_webhooks` falls when it is taken."""
    well = threading.Event()
    with Receiver(lambda _event, _times: 200 if well.is_set() else 500) as receiver:
        endpoint = listen(scene.client, receiver, "customer.created")
        customer = scene.customer()
        receiver.wait_for(lambda got: len(got) >= 2)
        pending = scene.events(customer.id)[0].pending_webhooks
        well.set()
        received = receiver.wait_for(lambda got: got[-1].status == 200)
        wait_until(lambda: scene.events(customer.id)[0].pending_webhooks == 0)
        scene.v1.webhook_endpoints.delete(endpoint)

    assert pending == 1
    assert {one.status for one in received[:-1]} == {500}
    assert len({one.event.id for one in received}) == 1


def test_what_was_not_delivered_can_be_listed(scene: Scene) -> None:
    """`delivery_success` finds the events that an endpoint has not taken."""
    with Receiver(lambda _event, _times: 503) as receiver:
        endpoint = listen(scene.client, receiver, "customer.created")
        customer = scene.customer()
        receiver.wait_for(lambda got: len(got) >= 1)
        failing = scene.v1.events.list({"delivery_success": False}).data
        scene.v1.webhook_endpoints.delete(endpoint)

    assert customer.id in {event.data.object["id"] for event in failing}


def test_undelivered_events_survive_a_kill(tmp_path: Path) -> None:
    """What was queued before a kill -9 is sent by the next process."""
    arguments = ("--data", str(tmp_path / "sandbox.sqlite3"), "--retry-speed", "1000")
    with Receiver(lambda _event, _times: 503) as receiver:
        first = Server(*arguments).start()
        listen(first.client(), receiver, "customer.created")
        customer = first.client().v1.customers.create({})
        receiver.wait_for(lambda got: len(got) >= 1)
        first.stop(kill=True)
        before = len(receiver.received)
        with Server(*arguments):
            received = receiver.wait_for(lambda got: len(got) > before)

    assert received[-1].event.data.object.id == customer.id


def test_webhooks_take_no_way_round() -> None:
    """A proxy in the environment, which knows no local receiver, is never asked."""
    proxied = Server(HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="", no_proxy="")
    with Receiver() as receiver, proxied as server:
        listen(server.client(), receiver, "customer.created")
        customer = server.client().v1.customers.create({})
        received = receiver.wait_for(bool)

    assert received[0].event.data.object.id == customer.id

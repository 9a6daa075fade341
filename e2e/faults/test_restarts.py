"""Processes that stop, die and return while the others continue."""

import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from dev.demo.journey import CARD_3D_SECURE
from dev.demo.visitor import Visitor
from e2e.people import ADMIN_NAME, ADMIN_PASSWORD, COMPLETE, PASSWORD, Person, complete_3ds
from e2e.system import RunningSystem
from e2e.waiting import until


@contextmanager
def stopped(running: RunningSystem, name: str) -> Iterator[None]:
    """One process is stopped within."""
    running.stop(name)
    try:
        yield
    finally:
        running.start(name)


def answers(running: RunningSystem, *paths: str) -> bool:
    """Whether the gateway finds its services again."""
    return all(running.client.get(f"{running.url}{path}").status_code == 200 for path in paths)


@pytest.fixture(autouse=True)
def whole_again(running: RunningSystem) -> Iterator[None]:
    """The next test finds everything running, whatever happened in this one."""
    yield
    assert until(lambda: answers(running, "/.well-known/jwks.json", "/api/docs/"))


def test_billing_goes_on_without_auth_service(running: RunningSystem, person: Person) -> None:
    """Issued tokens stay valid while no new ones can be issued."""
    person.subscribe()
    other = running.new_person()

    with stopped(running, "auth-service"):
        status = person.get("/api/subscriptions/status")
        subscribed = other.subscribe()
        obtain = running.client.post(
            f"{running.url}/api/token/obtain",
            json={"username": person.username, "password": PASSWORD},
        )

    assert status.status_code == 200
    assert subscribed.status_code == 200
    assert obtain.status_code in (502, 503, 504)
    assert until(lambda: answers(running, "/.well-known/jwks.json"))
    assert running.log_in(person.username, PASSWORD).status()["status"] == "successful"


def test_the_admin_says_that_auth_service_is_unavailable(running: RunningSystem) -> None:
    """Staff read a sentence, not an error page."""
    with stopped(running, "auth-service"), Visitor(running.url) as visitor:
        form = visitor.page("/admin/login/?next=/admin/").form(field_name="password")
        assert form is not None
        answer = visitor.submit(form, {"username": ADMIN_NAME, "password": ADMIN_PASSWORD})

    assert answer.status == 200
    assert answer.answer == "auth-service cannot be reached right now."


def test_a_restarted_billing_verifies_without_auth_service(
    running: RunningSystem, person: Person
) -> None:
    """The last good key set is on disk, so a restart needs no other service."""
    person.subscribe()

    with stopped(running, "auth-service"):
        running.restart("billing-service", kill=True)
        assert until(lambda: answers(running, "/api/docs/"))
        status = person.get("/api/subscriptions/status")

    assert status.status_code == 200
    assert status.json()["status"] == "successful"


def test_after_a_restart_of_postgres_everything_answers(
    running: RunningSystem, person: Person
) -> None:
    """Connections that died with the server are replaced, not handed out."""
    person.subscribe()

    running.restart("postgres")
    recovered = until(
        lambda: all(
            running.client.get(f"{base}/readyz").status_code == 200
            for base in (running.auth_url, running.billing_url)
        )
    )
    statuses = [person.get("/api/subscriptions/status").status_code for _ in range(40)]
    obtained = [
        running.client.post(
            f"{running.url}/api/token/obtain",
            json={"username": person.username, "password": PASSWORD},
        ).status_code
        for _ in range(10)
    ]

    assert recovered
    assert set(statuses) == {200}
    assert set(obtained) == {200}


def test_after_a_restart_of_postgres_the_worker_goes_on(
    running: RunningSystem, person: Person
) -> None:
    """Events that come after the restart are processed without anyone's help."""
    worker = running.pid("billing-worker")

    running.restart("postgres")
    assert until(lambda: person.subscribe(CARD_3D_SECURE).status_code == 200)
    complete_3ds(person, button=COMPLETE)

    assert until(lambda: person.status()["status"] == "successful", seconds=60)
    assert running.pid("billing-worker") == worker


def test_no_acknowledged_event_is_lost_when_postgres_restarts(running: RunningSystem) -> None:
    """A 200 to Stripe means that the event is stored, whatever happens a moment later."""
    acknowledged: list[str] = []
    over = threading.Event()

    def deliver() -> None:
        with httpx.Client(timeout=40, trust_env=False) as client:
            while not over.is_set():
                event_id = f"evt_{uuid.uuid4().hex}"
                if _deliver(client, running, event_id).status_code == 200:
                    acknowledged.append(event_id)

    senders = [threading.Thread(target=deliver) for _ in range(3)]
    for sender in senders:
        sender.start()
    until(lambda: len(acknowledged) > 20)
    running.restart("postgres")
    before = len(acknowledged)
    until(lambda: len(acknowledged) > before + 20)
    over.set()
    for sender in senders:
        sender.join()

    stored = set(running.sql("billing", "SELECT id FROM webhooks_webhookevent").splitlines())
    assert len(acknowledged) > before + 20
    assert set(acknowledged) - stored == set()


def test_a_killed_worker_loses_no_event(running: RunningSystem, person: Person) -> None:
    """Events that arrived while the worker was dead are processed when it is back."""
    person.subscribe(CARD_3D_SECURE)

    running.stop("billing-worker", kill=True)
    complete_3ds(person, button=COMPLETE)
    time.sleep(1)
    meanwhile = person.status()["status"]
    running.start("billing-worker")

    assert meanwhile == "failed"
    assert until(lambda: person.status()["status"] == "successful", seconds=90)


def test_an_unavailable_stripe_is_reported_and_survived(
    running: RunningSystem, new_person: Callable[..., Person]
) -> None:
    """Meanwhile: 503 with Retry-After, and status works. Afterwards: one subscription."""
    subscribed, person = new_person(), new_person()
    subscribed.subscribe()

    with stopped(running, "stripe-sandbox"):
        refused = person.subscribe()
        status = subscribed.get("/api/subscriptions/status")
    again = person.subscribe()

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert status.status_code == 200
    assert again.status_code == 200
    assert person.status()["status"] == "successful"


def _deliver(client: httpx.Client, running: RunningSystem, event_id: str) -> httpx.Response:
    """Deliver an event as Stripe signs it."""
    body = json.dumps(_event(event_id)).encode()
    timestamp = str(int(time.time()))
    secret = running.settings.values["STRIPE_WEBHOOK_SECRET"].split(",")[0]
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    header = f"t={timestamp},v1={signed.hexdigest()}"
    return client.post(
        f"{running.url}/api/stripe-webhook/", content=body, headers={"Stripe-Signature": header}
    )


def _event(event_id: str) -> dict[str, Any]:
    customer = f"cus_{event_id[-14:]}"
    return {
        "id": event_id,
        "object": "event",
        "type": "customer.updated",
        "created": int(time.time()),
        "livemode": False,
        "request": None,
        "data": {"object": {"id": customer, "object": "customer"}},
    }

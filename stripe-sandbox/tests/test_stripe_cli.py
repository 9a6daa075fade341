"""The official Stripe CLI against a running sandbox."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests import cli, plain_http
from tests.receiver import Receiver
from tests.scenes import BASIC, Scene
from tests.server import Server

Stripe = Callable[..., str]

TRIGGERED = (
    "checkout.session.completed",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.updated",
    "invoice.voided",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payment_method.attached",
    "price.updated",
    "product.updated",
    "setup_intent.succeeded",
    "test_helpers.test_clock.ready",
)


@pytest.fixture(scope="session")
def program() -> Path:
    """The CLI from npm."""
    return cli.stripe_cli()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home folder of its own, so that no settings leak in or out."""
    return cli.environment(tmp_path)


@pytest.fixture
def stripe_cli(program: Path, environment: dict[str, str], server: Server) -> Stripe:
    """Runs one command of the CLI to its end."""

    def run(*arguments: str) -> str:
        command = [str(program), *arguments, "--api-base", server.url]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


class Listening:
    """A running `stripe listen` and what it prints."""

    def __init__(self, program: Path, environment: dict[str, str], *arguments: str) -> None:
        command = [str(program), "listen", "--skip-update", "--all-snapshot", *arguments]
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)

    def line(self, pattern: str, *, seconds: float = 40) -> re.Match[str]:
        """The first line that matches, from here on."""
        deadline = time.monotonic() + seconds
        passed: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except Empty:
                raise TimeoutError(f"no line like {pattern!r} in {passed}") from None
            passed.append(line)
            if found := re.search(pattern, line):
                return found

    def stop(self) -> None:
        """End the process and its pipe."""
        self._process.terminate()
        self._process.wait(20)
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()


@pytest.fixture
def listen(program: Path, environment: dict[str, str]) -> Iterator[Callable[..., Listening]]:
    """Starts `stripe listen`, and stops it after the test."""
    running: list[Listening] = []

    def start(url: str, *arguments: str) -> Listening:
        running.append(Listening(program, environment, "--api-base", url, *arguments))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def ready(listening: Listening) -> str:
    """The secret that `listen` prints once it is connected."""
    return listening.line(r"Ready! .* signing secret is (whsec_\w+)")[1]


def test_listen_forwards_what_trigger_causes(
    server: Server, listen: Callable[..., Listening], stripe_cli: Stripe
) -> None:
    """One process listens, another triggers: the receiver gets the event, rightly signed."""
    with Receiver() as receiver:
        listening = listen(server.url, "--forward-to", receiver.url)
        receiver.secret = ready(listening)

        stripe_cli("trigger", "customer.subscription.updated")

        received = receiver.wait_for(
            lambda found: any(one.event.type == "customer.subscription.updated" for one in found)
        )
        (updated,) = [
            one.event for one in received if one.event.type == "customer.subscription.updated"
        ]
        assert updated.data.object.metadata.foo == "bar"
        assert updated.data.previous_attributes.metadata.foo is None
        listening.line(r"<--\s+\[200\] POST .* \[evt_\w+\]")


def test_the_printed_secret_is_the_one_that_signs(
    server: Server, listen: Callable[..., Listening], stripe_cli: Stripe
) -> None:
    """A receiver can be configured before `listen` is started."""
    printed = stripe_cli("listen", "--skip-update", "--print-secret").strip()

    assert ready(listen(server.url)) == printed


def test_a_known_webhook_secret_signs_what_listen_forwards(
    program: Path, environment: dict[str, str]
) -> None:
    """With STRIPE_WEBHOOK_SECRET set, a service that trusts it needs no new setting."""
    with Server(STRIPE_WEBHOOK_SECRET="whsec_known,whsec_old") as own:
        command = [str(program), "listen", "--skip-update", "--print-secret"]
        command += ["--api-base", own.url]
        printed = subprocess.run(command, env=environment, capture_output=True, check=True)

    assert printed.stdout.decode().strip() == "whsec_known"


def newest(scene: Scene, event: str) -> list[str]:
    """The id of the newest event of a type, if there is one."""
    return [one.id for one in scene.v1.events.list({"type": event, "limit": 1}).data]


@pytest.mark.parametrize("event", TRIGGERED)
def test_trigger(stripe_cli: Stripe, scene: Scene, event: str) -> None:
    """The CLI's own fixture for the event runs, and the event has happened since."""
    before = newest(scene, event)

    stripe_cli("trigger", event)

    # Some events are due a moment later, such as the warning that a short trial ends.
    deadline = time.monotonic() + 15
    while newest(scene, event) == before:
        assert time.monotonic() < deadline, f"no {event}"
        time.sleep(0.05)


def test_listen_latest_gets_each_event_once(
    server: Server, listen: Callable[..., Listening], scene: Scene
) -> None:
    """`listen --latest` sees the same events as plain `listen`, neither sees one twice."""
    plain, latest = listen(server.url), listen(server.url, "--latest")
    ready(plain)
    ready(latest)

    first, second = scene.customer(card=None), scene.customer(card=None)

    wanted = {scene.events(one.id)[0].id for one in (first, second)}
    for listening in (plain, latest):
        seen = [listening.line(r"customer\.created \[(evt_\w+)\]")[1] for _ in range(2)]
        assert set(seen) == wanted


def test_events_resend_reaches_listen(
    server: Server, listen: Callable[..., Listening], stripe_cli: Stripe, scene: Scene
) -> None:
    """An event that is resent comes through `listen` once more."""
    customer = scene.customer(card=None)
    (event,) = scene.events(customer.id)
    listening = listen(server.url)
    ready(listening)

    answered = json.loads(stripe_cli("events", "resend", event.id))

    assert answered["id"] == event.id
    listening.line(rf"--> customer\.created \[{event.id}\]")


def test_events_resend_to_an_endpoint(stripe_cli: Stripe, scene: Scene) -> None:
    """`--webhook-endpoint` delivers to that endpoint."""
    customer = scene.customer(card=None)
    (event,) = scene.events(customer.id)
    with Receiver() as receiver:
        endpoint = scene.v1.webhook_endpoints.create(
            {"url": receiver.url, "enabled_events": ["charge.captured"]}
        )
        receiver.secret = str(endpoint.secret)

        stripe_cli("events", "resend", event.id, "--webhook-endpoint", endpoint.id)

        (received,) = receiver.wait_for(bool)
        assert received.event.id == event.id
        scene.v1.webhook_endpoints.delete(endpoint.id)


def test_get_and_post(stripe_cli: Stripe) -> None:
    """The CLI's bare requests work, with its nested parameters."""
    made = json.loads(stripe_cli("post", "/customers", "-d", "name=Ada", "-d", "metadata[a]=b"))
    read = json.loads(stripe_cli("get", f"/customers/{made['id']}"))

    assert (read["name"], read["metadata"]) == ("Ada", {"a": "b"})


def test_fixtures(stripe_cli: Stripe, scene: Scene, tmp_path: Path) -> None:
    """A fixture file creates objects that refer to each other."""
    steps: list[dict[str, Any]] = [
        {
            "name": "customer",
            "path": "/v1/customers",
            "method": "post",
            "params": {
                "email": "fixture@example.com",
                "payment_method": "pm_card_visa",
                "invoice_settings": {"default_payment_method": "pm_card_visa"},
            },
        },
        {
            "name": "subscription",
            "path": "/v1/subscriptions",
            "method": "post",
            "params": {"customer": "${customer:id}", "items": [{"price": BASIC}]},
        },
    ]
    file = tmp_path / "fixture.json"
    file.write_text(json.dumps({"_meta": {"template_version": 0}, "fixtures": steps}))

    stripe_cli("fixtures", str(file))

    (customer,) = scene.v1.customers.list({"email": "fixture@example.com"}).data
    assert scene.v1.subscriptions.list({"customer": customer.id}).data[0].status == "active"


def test_listen_survives_a_restart_of_the_sandbox(
    listen: Callable[..., Listening], tmp_path: Path
) -> None:
    """The CLI asks for a new session by itself and forwards again."""
    with Server("--data", str(tmp_path / "data.sqlite")) as own:
        listening = listen(own.url)
        ready(listening)
        own.stop()
        own.start()

        ready(listening)

        own.client().v1.customers.create({"name": "after"})
        listening.line(r"--> customer\.created")


def opened(session: dict[str, Any]) -> ClientConnection:
    """The socket of a session, opened as the CLI opens it."""
    return connect(
        session["websocket_url"] + "?websocket_feature=webhooks",
        additional_headers={"Websocket-Id": session["websocket_id"]},
        subprotocols=[Subprotocol("stripecli-devproxy-v1")],
    )


def new_session(server: Server) -> dict[str, Any]:
    """A session as `listen` asks for it."""
    answer = plain_http.post(
        f"{server.url}/v1/stripecli/sessions",
        data={"device_name": "test", "websocket_features[]": "webhooks"},
        headers={"Authorization": "Bearer sk_test_sandbox"},
    )
    assert answer.status_code == 200
    return dict(answer.json())


def next_event(socket: ClientConnection) -> dict[str, Any]:
    """The next message that plain `listen` would take."""
    while True:
        message = dict(json.loads(socket.recv(timeout=15)))
        if message["endpoint"]["api_version"] is None:
            return message


def test_what_was_not_acknowledged_comes_again(server: Server, scene: Scene) -> None:
    """The next socket brings what an earlier one lost, and nothing that arrived."""
    session = new_session(server)
    with opened(session) as socket:
        scene.customer(card=None, name="lost")
        lost = next_event(socket)
    meanwhile = scene.customer(card=None, name="meanwhile")

    with opened(session) as socket:
        again, missed = next_event(socket), next_event(socket)
        for message in (again, missed):
            ack = {
                "type": "event_ack",
                "webhook_conversation_id": message["webhook_conversation_id"],
            }
            socket.send(json.dumps(ack))
        scene.customer(card=None, name="third")
        next_event(socket)
    with opened(session) as socket:
        first = next_event(socket)

    assert again["event_payload"] == lost["event_payload"]
    assert json.loads(missed["event_payload"])["data"]["object"]["id"] == meanwhile.id
    assert json.loads(first["event_payload"])["data"]["object"]["name"] == "third"


def test_an_unknown_socket_is_refused(server: Server) -> None:
    """The CLI asks for a new session when it reads this."""
    session = new_session(server) | {"websocket_id": "cliws_never"}

    with pytest.raises(InvalidStatus) as refused:
        opened(session)

    body = json.loads(refused.value.response.body)
    assert body == {"error": {"message": "Unknown WebSocket ID."}}


def test_a_live_key_gets_no_session(server: Server) -> None:
    """A CLI that is logged in to a live account is refused at once."""
    answer = plain_http.post(
        f"{server.url}/v1/stripecli/sessions",
        data={"websocket_features[]": "webhooks"},
        headers={"Authorization": "Bearer sk_live_1"},
    )

    assert answer.status_code == 401


def test_what_the_cli_cannot_have_is_named(
    program: Path, environment: dict[str, str], server: Server
) -> None:
    """`stripe logs tail` says that the sandbox lacks request logs instead of waiting."""
    command = [str(program), "logs", "tail", "--api-base", server.url]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode != 0
    assert "request_logs" in done.stdout + done.stderr

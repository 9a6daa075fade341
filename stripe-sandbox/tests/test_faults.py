"""Faults on request, as a client of the API meets them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from tests import plain_http
from tests.receiver import Receiver
from tests.server import Server, wait_until

KEY = {"Authorization": "Bearer sk_test_sandbox"}


@pytest.fixture(scope="module")
def faulty() -> Iterator[Server]:
    """A sandbox whose faults disturb no other test."""
    with Server() as running:
        yield running


@pytest.fixture
def http(faulty: Server) -> Iterator[httpx.Client]:
    """Plain HTTP with patience; every fault is lifted afterwards."""
    with plain_http.Client(base_url=faulty.url, headers=KEY, timeout=30) as client:
        yield client
        client.delete("/sandbox/faults")


@pytest.fixture
def receiver(faulty: Server) -> Iterator[Receiver]:
    """An endpoint that receives customer events, and is gone after the test."""
    client = faulty.client()
    with Receiver() as running:
        endpoint = client.v1.webhook_endpoints.create(
            {"url": running.url, "enabled_events": ["customer.created", "customer.updated"]}
        )
        running.secret = str(endpoint.secret)
        yield running
        client.v1.webhook_endpoints.delete(endpoint.id)


def strike(http: httpx.Client, **fault: Any) -> dict[str, Any]:
    """Put a fault in force."""
    answer = http.post("/sandbox/faults", json=fault)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def names(http: httpx.Client) -> list[str]:
    """The names of all customers, newest first."""
    return [one["name"] for one in http.get("/v1/customers").json()["data"]]


def create(http: httpx.Client, name: str, **headers: str) -> httpx.Response:
    """Try to create a customer."""
    return http.post("/v1/customers", data={"name": name}, headers=headers)


def types(receiver: Receiver) -> list[str]:
    """The types of the events that arrived, in order."""
    return [one.event.type for one in receiver.received]


def test_a_rate_limit_looks_like_stripes(http: httpx.Client) -> None:
    """A client that is asked to slow down sees 429 and `rate_limit`, and nothing was done."""
    answer = create(http, "limited", **{"Sandbox-Fault": "error; status=429"})

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limit"
    assert "limited" not in names(http)


def test_an_error_can_strike_after_the_work_is_done(http: httpx.Client) -> None:
    """The caller sees a 500, yet the customer exists: a blind retry would create it twice."""
    answer = create(http, "worked", **{"Sandbox-Fault": "error; when=after"})

    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "api_error"
    assert names(http).count("worked") == 1


def test_the_idempotency_key_saves_a_caller_whose_connection_broke(http: httpx.Client) -> None:
    """After a time-out the same key brings the stored answer instead of a second customer."""
    key = {"Idempotency-Key": "once"}
    silent = KEY | key | {"Sandbox-Fault": "timeout; when=after"}
    with ThreadPoolExecutor(1) as pool, plain_http.Client(base_url=http.base_url) as other:
        lost = pool.submit(
            other.post, "/v1/customers", data={"name": "once"}, headers=silent, timeout=3
        )
        wait_until(lambda: names(http).count("once") == 1)
        with pytest.raises(httpx.ReadTimeout):
            lost.result()

    wait_until(lambda: create(http, "once", **key).status_code != 409)
    again = create(http, "once", **key)

    assert again.headers["idempotent-replayed"] == "true"
    assert names(http).count("once") == 1


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_a_reset_breaks_the_connection(http: httpx.Client, when: str, done: int) -> None:
    """The caller sees the connection torn down, not an orderly end."""
    with pytest.raises(httpx.ReadError, match="reset"):
        create(http, f"reset {when}", **{"Sandbox-Fault": f"reset; when={when}"})

    assert names(http).count(f"reset {when}") == done


def test_a_timeout_can_give_up_by_itself(http: httpx.Client) -> None:
    """With a limit, the silence ends in a reset, and the work was not done."""
    with pytest.raises(httpx.ReadError, match="reset"):
        create(http, "silent", **{"Sandbox-Fault": "timeout; milliseconds=50"})

    assert "silent" not in names(http)


def test_latency_lets_the_answer_through(http: httpx.Client) -> None:
    """An answer that is too late for one caller reaches a more patient one."""
    strike(http, effect="latency", milliseconds=1000, path="/v1/customers", method="POST")
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/customers", data={"name": "impatient"}, timeout=0.5)

    assert create(http, "patient").status_code == 200


def test_a_fault_applies_where_and_as_often_as_its_settings_say(http: httpx.Client) -> None:
    """Only the second and third POST of a customer fail; reads and others never do."""
    fault = strike(
        http, effect="error", status=503, method="post", path="/v1/customers", skip=1, times=2
    )

    assert [create(http, "counted").status_code for _ in range(4)] == [200, 503, 503, 200]
    assert http.get("/v1/products").status_code == 200
    (shown,) = http.get("/sandbox/faults").json()["data"]
    assert (shown["id"], shown["matched"], shown["applied"]) == (fault["id"], 4, 2)


def test_a_lifted_fault_is_over(http: httpx.Client) -> None:
    """Lifting a fault lets the next request through; lifting it twice is a 404."""
    fault = strike(http, effect="error", path="/v1/products")
    assert http.get("/v1/products").status_code == 500

    assert http.delete(f"/sandbox/faults/{fault['id']}").json()["deleted"] is True

    assert http.get("/v1/products").status_code == 200
    assert http.delete(f"/sandbox/faults/{fault['id']}").status_code == 404


def test_a_probability_is_repeatable(http: httpx.Client) -> None:
    """The same seed strikes the same requests, so a chaos test can be run again."""

    def run() -> list[int]:
        fault = strike(http, effect="error", path="/v1/products", probability=0.5, seed=7)
        codes = [http.get("/v1/products").status_code for _ in range(20)]
        http.delete(f"/sandbox/faults/{fault['id']}")
        return codes

    first = run()

    assert set(first) == {200, 500}
    assert run() == first


def test_stripe_python_retries_what_it_should(faulty: Server, http: httpx.Client) -> None:
    """With retries allowed, a reset after the work still leaves exactly one customer."""
    strike(http, effect="reset", when="after", method="POST", path="/v1/customers", times=1)
    client = stripe.StripeClient(
        "sk_test_sandbox", base_addresses={"api": faulty.url}, max_network_retries=2
    )

    client.v1.customers.create({"name": "retried"})

    assert names(http).count("retried") == 1


@pytest.mark.parametrize(
    ("fault", "param"),
    [
        ({"effect": "explode"}, "effect"),
        ({"effect": "error", "status": 429, "stored": True}, "stored"),
        ({}, "effect"),
        ({"effect": "error", "status": 200}, "status"),
        ({"effect": "latency", "milliseconds": "soon"}, "milliseconds"),
        ({"effect": "error", "probability": 2}, "probability"),
        ({"effect": "error", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_fault_is_refused(http: httpx.Client, fault: dict[str, Any], param: str) -> None:
    """A fault that cannot be meant is named at once instead of never striking."""
    answer = http.post("/sandbox/faults", json=fault)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_wrong_header_is_refused(http: httpx.Client) -> None:
    """A misspelt header fails the request, so that no test passes for want of a fault."""
    answer = create(http, "typo", **{"Sandbox-Fault": "latncy; milliseconds=5"})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "effect"


def test_webhooks_are_duplicated(http: httpx.Client, receiver: Receiver) -> None:
    """A receiver meets the same event several times, as Stripe warns it may."""
    strike(http, effect="duplicate", copies=3)

    create(http, "thrice")

    receiver.wait_for(lambda found: len(found) == 3)
    assert len({one.event.id for one in receiver.received}) == 1


def test_a_dropped_webhook_is_still_listed_as_undelivered(
    http: httpx.Client, receiver: Receiver
) -> None:
    """What never arrived can be found in the event list and fetched, as a backfill does."""
    strike(http, effect="drop", events="customer.created")
    made = create(http, "unheard").json()["id"]
    http.post(f"/v1/customers/{made}", data={"name": "heard"})
    receiver.wait_for(bool)

    undelivered = http.get("/v1/events", params={"delivery_success": "false"}).json()["data"]

    assert types(receiver) == ["customer.updated"]
    about = [(one["type"], one["data"]["object"]["id"]) for one in undelivered]
    assert ("customer.created", made) in about


def test_webhooks_can_overtake_each_other(http: httpx.Client, receiver: Receiver) -> None:
    """An update arrives before the creation it follows."""
    strike(http, effect="delay", milliseconds=400, events="customer.created")

    made = create(http, "late").json()["id"]
    http.post(f"/v1/customers/{made}", data={"name": "early"})

    receiver.wait_for(lambda found: len(found) == 2)
    assert types(receiver) == ["customer.updated", "customer.created"]


def test_webhooks_are_shuffled(http: httpx.Client, receiver: Receiver) -> None:
    """Many events arrive complete but in another order than they happened."""
    strike(http, effect="reorder", milliseconds=500, seed=3)

    sent = [create(http, f"customer {number}").json()["id"] for number in range(10)]

    receiver.wait_for(lambda found: len(found) == 10)
    arrived = [one.event.data.object.id for one in receiver.received]
    assert sorted(arrived) == sorted(sent)
    assert arrived != sent


def test_a_header_disturbs_the_webhooks_of_its_own_request(
    http: httpx.Client, receiver: Receiver
) -> None:
    """Only the events that this request causes are duplicated."""
    create(http, "doubled", **{"Sandbox-Fault": "duplicate; copies=2"})
    create(http, "plain")

    receiver.wait_for(lambda found: len(found) == 3)
    arrived = sorted(one.event.data.object.name for one in receiver.received)
    assert arrived == ["doubled", "doubled", "plain"]


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_a_stored_error_is_replayed(http: httpx.Client, when: str, done: int) -> None:
    """A 500 kept under the key is all that later tries get; a new key does the work."""
    name = f"stored {when}"
    key = {"Idempotency-Key": name}

    first = create(http, name, **{"Sandbox-Fault": f"error; stored=true; when={when}"}, **key)
    again = create(http, name, **key)
    another = create(http, name, **{"Idempotency-Key": f"{name} again"})

    assert (first.status_code, again.status_code, another.status_code) == (500, 500, 200)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert again.json() == first.json()
    assert names(http).count(name) == done + 1

"""Idempotency keys, as documented."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import stripe

from stripe_sandbox import resources
from stripe_sandbox.api import idempotency
from stripe_sandbox.api.http import Api, Asked
from stripe_sandbox.api.idempotency import Result
from stripe_sandbox.clock import Clock
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.store import Store
from tests import plain_http
from tests.scenes import Scene
from tests.server import Server


def test_a_repeated_request_is_replayed(scene: Scene) -> None:
    """The same key and parameters give the same answer and make nothing new."""
    key = {"idempotency_key": "replayed"}
    email = {"email": "replayed@example.com"}

    first = scene.v1.customers.create(email, key)
    second = scene.v1.customers.create(email, key)

    assert first.id == second.id
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.request_id
    assert len(scene.v1.customers.list({"email": "replayed@example.com"}).data) == 1


def test_a_key_with_other_parameters_is_refused(scene: Scene) -> None:
    """A reused key is an error of the caller, not a replay."""
    key = {"idempotency_key": "other parameters"}
    scene.v1.customers.create({"name": "one"}, key)

    with pytest.raises(stripe.IdempotencyError) as refused:
        scene.v1.customers.create({"name": "two"}, key)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        scene.v1.setup_intents.create({}, key)

    assert refused.value.http_status == 400
    assert "idempotency_error" in str(refused.value.http_body)


def test_a_decline_is_replayed(scene: Scene) -> None:
    """A saved refusal comes back even if a good card would now be charged."""
    customer = scene.customer(None)
    key = {"idempotency_key": f"declined {customer.id}"}
    card = "pm_card_visa_chargeDeclined"

    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            scene.v1.payment_methods.attach(card, {"customer": customer.id}, key)

    assert refused.value.headers is not None
    assert refused.value.headers["Idempotent-Replayed"] == "true"


def test_a_request_that_never_ran_leaves_its_key_free(server: Server) -> None:
    """A validation error is not saved; the corrected request runs under the same key."""
    headers = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "validated"}
    url = f"{server.url}/v1/customers"

    wrong = plain_http.post(url, data={"emial": "a"}, headers=headers)
    right = plain_http.post(url, data={"email": "a@example.com"}, headers=headers)

    assert (wrong.status_code, right.status_code) == (400, 200)


def test_two_at_once_with_one_key_make_one_customer(server: Server) -> None:
    """A key in use answers 409 or the first result; never a second object."""
    headers = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "at once"}

    def create(_: int) -> httpx.Response:
        return plain_http.post(f"{server.url}/v1/customers", data={"name": "x"}, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(16)))

    made = {answer.json()["id"] for answer in answers if answer.status_code == 200}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {200, 409}


def test_every_answer_says_which_request_and_version_it_is(server: Server) -> None:
    """`Request-Id` and `Stripe-Version` are on answers and errors alike."""
    headers = {"Authorization": "Bearer sk_test_x"}

    for path in ("/v1/customers", "/v1/customers/cus_none", "/v1/nonsense"):
        answer = plain_http.get(server.url + path, headers=headers)
        assert answer.headers["Request-Id"].startswith("req_")
        assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


def test_a_key_whose_request_is_under_way_is_in_use(server: Server) -> None:
    """While the first request waits, the second is refused with 409; later it is replayed."""
    headers = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "under way"}
    slow = headers | {"Sandbox-Fault": "latency; milliseconds=1500; when=after"}
    url = f"{server.url}/v1/customers"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(plain_http.post, url, headers=slow, timeout=30)
        conflict = plain_http.post(url, headers=headers)
        while conflict.status_code == 200:
            conflict = plain_http.post(url, headers=headers)
        made = first.result().json()["id"]
    replayed = plain_http.post(url, headers=headers)

    error = conflict.json()["error"]
    assert (conflict.status_code, error["code"]) == (409, "idempotency_key_in_use")
    assert error["type"] == "idempotency_error"
    assert replayed.json()["id"] == made


def test_a_decline_is_stored_together_with_its_answer() -> None:
    """After a kill, a declined charge is replayed and never made a second time."""
    resources.load()
    store = Store(":memory:", clock=Clock())
    form = "amount=1000&currency=usd&confirm=true&payment_method=pm_card_visa_chargeDeclined"
    form += "&return_url=https://example.com"
    path = "/v1/payment_intents"
    key = idempotency.key_of("killed", path, form.encode())
    stored: list[Result | None] = []
    store.on_commit.append(lambda _events: stored.append(idempotency.stored(store, key)))

    answered, _ = Api(store, Settings()).answer(
        Asked("sk_test_sandbox", "POST", path, "", form.encode(), "killed", None), "req_1"
    )
    store.close()

    assert answered.status == 402
    assert stored == [answered]

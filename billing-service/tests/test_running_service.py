"""The service with real processes: many requests at once, Stripe slow, and what is written down."""

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection

from subscriptions.api.test_cards import PAYMENT_METHOD_BY_NUMBER
from subscriptions.models import Subscription
from tests.running_service import running_service
from tests.sandbox import Sandbox
from tests.signing import signing_key
from tests.subscriptions.person import NEEDS_AUTHENTICATION, VISA, card

_AT_ONCE = 100
_PLANTED = "4111111111111111"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Everything the processes say."""
    return tmp_path / "service.log"


@pytest.fixture
def service(stripe: Sandbox, log: Path) -> Iterator[httpx.Client]:
    """A client of the running service."""
    with (
        running_service(stripe, log=log) as address,
        httpx.Client(
            base_url=f"{address}/api/subscriptions/",
            timeout=60,
            limits=httpx.Limits(max_connections=_AT_ONCE),
        ) as client,
    ):
        yield client


def headers(user_id: uuid.UUID) -> dict[str, str]:
    """Return the header of a user's requests."""
    return {"Authorization": f"Bearer {signing_key().access_token(user_id)}"}


def subscribe(service: httpx.Client, user_id: uuid.UUID, number: str = VISA) -> httpx.Response:
    """Subscribe a user."""
    body: dict[str, Any] = {"subscription_product": "basic_subscription"} | card(number)
    return service.post("subscribe", json=body, headers=headers(user_id))


def eventually(service: httpx.Client, user_id: uuid.UUID, status: str) -> None:
    """Look again until the status is the one expected."""
    for _ in range(200):
        body = service.get("status", headers=headers(user_id)).json()
        if body.get("payment_gateway_status") == status:
            return
        time.sleep(0.1)
    raise AssertionError(body)


def test_a_hundred_clicks_are_one_subscription(service: httpx.Client, stripe: Sandbox) -> None:
    """Exactly one 200, the others 409; one live subscription and one charge."""
    user_id = uuid.uuid4()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda _: subscribe(service, user_id), range(_AT_ONCE)))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: _AT_ONCE - 1}
    assert len(stripe.subscriptions_of(user_id)) == 1
    assert len(stripe.charges_of(user_id)) == 1
    eventually(service, user_id, "active")
    assert Subscription.objects.filter(user_id=user_id).count() == 1


def test_authentication_is_completed_by_stripes_own_delivery(
    service: httpx.Client, stripe: Sandbox
) -> None:
    """From the bank's page to `active` through a signed webhook, the inbox and the worker."""
    user_id = uuid.uuid4()
    body = subscribe(service, user_id, NEEDS_AUTHENTICATION).json()
    assert body["payment_gateway_status"] == "incomplete"

    stripe.authenticate(body["next_action"]["client_secret"].partition("_secret")[0])

    eventually(service, user_id, "active")


def test_no_card_number_is_written_down(service: httpx.Client, stripe: Sandbox, log: Path) -> None:
    """Neither a good, a refused nor a planted number is in logs, database or answers."""
    user_id = uuid.uuid4()
    numbers = [VISA, NEEDS_AUTHENTICATION, "4000000000000002", _PLANTED]
    answers = [subscribe(service, user_id, number) for number in numbers]
    broken = [
        {"card_number": {"number": _PLANTED}},
        {"card_number": [_PLANTED], "card_cvc": _PLANTED},
        {"subscription_product": _PLANTED, "payment_method": _PLANTED},
        {"payment_method": "pm_card_visa", "card_number": _PLANTED},
        card(_PLANTED, card_expiration_month=13),
        card(card_expiration_year=2001),
    ]
    for body in broken:
        answers.append(service.post("subscribe", json=body, headers=headers(user_id)))
        answers.append(service.post("payment-method", json=body, headers=headers(user_id)))
    raw = f'{{"card_number": "{_PLANTED}", '
    answers.append(service.post("subscribe", content=raw, headers=headers(user_id)))
    answers.append(service.get(f"status?card={VISA[:4]}", headers=headers(user_id)))

    assert [answer.status_code for answer in answers[:4]] == [200, 409, 409, 400]
    assert answers[3].json()["code"] == "raw_card_refused"
    assert all(answer.status_code < 500 for answer in answers)
    written = log.read_text() + _dump() + "".join(answer.text for answer in answers)
    assert "webhook event stored" in written.lower()
    leaked = [number for number in [*PAYMENT_METHOD_BY_NUMBER, _PLANTED] if number in written]
    assert leaked == []


def test_status_answers_while_stripe_is_slow(service: httpx.Client, stripe: Sandbox) -> None:
    """Subscribing users wait for Stripe; everyone is served, and all of them end well."""
    subscriber = uuid.uuid4()
    assert subscribe(service, subscriber).status_code == 200
    others = [uuid.uuid4() for _ in range(20)]
    with stripe.fault(effect="latency", milliseconds=300), ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(subscribe, service, user_id) for user_id in others]
        looks = [service.get("status", headers=headers(subscriber)) for _ in range(20)]
        answers = [future.result() for future in waiting]

    assert {answer.status_code for answer in looks} == {200}
    assert {answer.status_code for answer in answers} == {200}
    assert all(len(stripe.charges_of(user_id)) == 1 for user_id in others[:5])


def _dump() -> str:
    """Return every row of every table as text."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{table}\" t")
            texts.append(cursor.fetchone()[0])
    return "\n".join(texts)

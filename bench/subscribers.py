"""Users with a subscription, and what subscribing them cost."""

import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from bench.arithmetic import Ratio, ratio
from bench.calls import client
from bench.ours import Environments
from bench.rounds import Report
from bench.setting import PASSWORD
from bench.stripe_meter import StripeCall, StripeMeter

_STATUS = "/api/subscriptions/status"
_SUBSCRIBE = "/api/subscriptions/subscribe"
_SETUP_INTENT = "/api/subscriptions/setup-intent"
_STATUSES_EACH = 5
# One user in so many is a customer already.
_KNOWN_ONE_IN = 10


@dataclass(frozen=True)
class Subscriber:
    """A user who has subscribed."""

    access_token: str
    subscription_id: str


@dataclass(frozen=True)
class Cost:
    """One user's subscribe: time besides Stripe's, a status request's time, and the calls.

    `is_known`: Stripe had a customer for the user before.
    """

    is_known: bool
    own_seconds: float
    status_seconds: float
    calls: Sequence[StripeCall]


def subscribe_users(
    environment: Environments, meter: StripeMeter, *, count: int, report: Report
) -> tuple[list[Subscriber], list[Cost]]:
    """Log users in one after the other and subscribe each, timing it against status requests.

    Args:
        environment: Where the services listen.
        meter: Sees the calls at Stripe.
        count: How many users, from `user0` on.
        report: Receives sentences on the progress.
    """
    subscribers, costs = [], []
    with client(environment.auth_port) as auth, client(environment.billing_port) as billing:
        for number in range(count):
            credentials = {"username": f"user{number}", "password": PASSWORD}
            token = auth.post("/api/token/obtain", json=credentials).json()["access"]
            is_known = number % _KNOWN_ONE_IN == 0
            subscriber, cost = _subscribe(billing, meter, token=token, is_known=is_known)
            subscribers.append(subscriber)
            costs.append(cost)
            if number % 50 == 49:
                report(f"subscribed {number + 1} of {count} users")
    return subscribers, costs


def _subscribe(
    billing: httpx.Client, meter: StripeMeter, *, token: str, is_known: bool
) -> tuple[Subscriber, Cost]:
    if is_known:
        billing.post(_SETUP_INTENT, headers={"Authorization": f"JWT {token}"})
    headers = {"Authorization": f"JWT {token}", "Idempotency-Key": str(uuid.uuid4())}
    body = {"subscription_product": "basic_subscription", "payment_method": "pm_card_visa"}
    meter.forget()
    started = time.perf_counter()
    answer = billing.post(_SUBSCRIBE, json=body, headers=headers)
    elapsed = time.perf_counter() - started
    calls = list(meter.calls)
    started = time.perf_counter()
    for _ in range(_STATUSES_EACH):
        billing.get(_STATUS, headers=headers)
    status_seconds = (time.perf_counter() - started) / _STATUSES_EACH
    own = elapsed - sum(call.seconds for call in calls)
    cost = Cost(is_known, own, status_seconds, calls)
    return Subscriber(token, answer.json()["id_reference"]), cost


def cost_ratios(costs: Sequence[Cost], *, rounds: int) -> dict[str, Ratio]:
    """Compare subscribe with status by rounds of neighbouring users.

    Args:
        costs: In the order they were measured; the first few, which warm the workers up, are
            left out.
        rounds: Into how many parts to divide them.
    """
    measured = costs[len(costs) // 10 :]
    warm = [cost for cost in measured if not cost.is_known]
    size = len(warm) // rounds
    parts = [warm[number * size : (number + 1) * size] for number in range(rounds)]
    return {
        "subscribe-own": ratio(
            [statistics.median(cost.own_seconds for cost in part) for part in parts],
            [statistics.median(cost.status_seconds for cost in part) for part in parts],
        ),
        "subscribe-calls": _most_calls(warm),
        "subscribe-calls-known": _most_calls([cost for cost in measured if cost.is_known]),
    }


def _most_calls(costs: Sequence[Cost]) -> Ratio:
    calls = [len(cost.calls) for cost in costs]
    return Ratio(max(calls), min(calls), max(calls))

"""Killed at every step, subscribe never bills twice and always comes to an end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.utils import timezone

from subscriptions.models import SubscribeAttempt, Subscription
from subscriptions.statuses import ENDED, LIVE
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.service_environment import service_environment
from tests.subscriptions.person import (
    FAILS_WHEN_CHARGED,
    NEEDS_AUTHENTICATION,
    VISA,
    Person,
    card,
)
from worker.tasks import sweep_attempts

Report = Callable[[str], None]


@dataclass(frozen=True)
class Scenario:
    """Who subscribes, with which card, and what must have come of it in the end."""

    name: str
    number: str
    known: bool = False
    live: int = 1
    charges: int = 1


SCENARIOS = [
    Scenario("new customer", VISA),
    Scenario("known customer", VISA, known=True),
    Scenario("decline", FAILS_WHEN_CHARGED, live=0, charges=0),
    Scenario("3-D Secure", NEEDS_AUTHENTICATION),
]


class DyingService:
    """A service process that can be told at which step to die."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.dying_service"],
            env=service_environment(LOG_LEVEL="ERROR"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def subscribe(self, person: Person, number: str, *, die_at: int | None) -> dict[str, Any]:
        """Subscribe a person; die before that step is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "die_at": die_at,
            "path": "/api/subscriptions/subscribe",
            "body": {"subscription_product": "basic_subscription"} | card(number),
            "headers": person.headers,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture
def service(stripe: Sandbox) -> Iterator[DyingService]:
    """A service process on this test's database and Stripe."""
    dying = DyingService()
    yield dying
    dying.stop()


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Prints the matrix past pytest's capture."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(line + "\n")

    return write


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_anywhere_it_bills_at_most_once_and_converges(
    scenario: Scenario, service: DyingService, stripe: Sandbox, report: Report
) -> None:
    """At every step: one live subscription and one charge at most, and our rows equal Stripe's."""
    whole = service.subscribe(_person(scenario, stripe), scenario.number, die_at=None)
    steps = whole["steps"]
    assert len(steps) >= 8, steps
    report(f"\n{scenario.name}: {len(steps)} steps")

    for number, step in enumerate(steps):
        person = _person(scenario, stripe)
        stripe.forget_events()
        assert service.subscribe(person, scenario.number, die_at=number)["died"] is True
        way = WAYS[number % len(WAYS)]
        _expire_leases()
        way(person, scenario)
        _assert_settled(person, scenario)
        _finish_authentication(person, scenario)
        live, charges = _live(person), len(stripe.charges_of(person.id))
        report(
            f"  killed {step:34} recovered by {way.__name__:17}"
            f" {live} live, {charges} charged, rows equal"
        )
        assert (live, charges) == (scenario.live, scenario.charges)


def by_the_next_call(person: Person, scenario: Scenario) -> None:
    """Recover as the user does: by trying again."""
    assert person.subscribe(scenario.number).status_code in (200, 400, 409)


def by_the_webhook(person: Person, scenario: Scenario) -> None:
    """Recover by what Stripe reports; nothing reported means nothing was done there."""
    events = person.stripe.new_events()
    for event in events:
        assert deliver(event).status_code == 200
    process_events()
    if not events:
        by_the_sweeper(person, scenario)


def by_the_sweeper(person: Person, scenario: Scenario) -> None:
    """Recover without anybody calling."""
    sweep_attempts(timestamp=0)


# The first step comes first: nobody but the user knows of a try whose row was never written.
WAYS = [by_the_next_call, by_the_webhook, by_the_sweeper]


def _person(scenario: Scenario, stripe: Sandbox) -> Person:
    person = Person(stripe)
    if scenario.known:
        assert person.post("setup-intent").status_code == 200
    return person


def _expire_leases() -> None:
    """Let the time pass after which a process that gave no sign counts as dead."""
    SubscribeAttempt.objects.filter(state="open").update(leased_until=timezone.now())


def _finish_authentication(person: Person, scenario: Scenario) -> None:
    if scenario.number != NEEDS_AUTHENTICATION or person.get("status").status_code == 404:
        return
    assert person.words() == ("failed", "incomplete")
    assert _live(person) == 0
    secret = person.status()["next_action"]["client_secret"]
    person.stripe.authenticate(secret.partition("_secret")[0])
    person.hear_from_stripe()
    _assert_settled(person, scenario)


def _live(person: Person) -> int:
    states = [each["status"] for each in person.stripe.subscriptions_of(person.id)]
    return len([state for state in states if state in LIVE])


def _assert_settled(person: Person, scenario: Scenario) -> None:
    attempts = SubscribeAttempt.objects.filter(user_id=person.id)
    assert not attempts.filter(state="open").exists()
    at_stripe = {each["id"]: each["status"] for each in person.stripe.subscriptions_of(person.id)}
    rows = Subscription.objects.filter(user_id=person.id)
    ours = dict(rows.values_list("stripe_subscription_id", "stripe_status"))
    assert ours == at_stripe
    assert len([state for state in at_stripe.values() if state not in ENDED]) <= 1
    assert len(person.stripe.charges_of(person.id)) <= 1
    if scenario.number == FAILS_WHEN_CHARGED:
        for customer in person.stripe.customers_of(person.id):
            cards = person.stripe.all(f"/v1/customers/{customer['id']}/payment_methods")
            assert cards == []

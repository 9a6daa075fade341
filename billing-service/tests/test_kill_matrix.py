"""Killed or disturbed at every step, subscribe never bills twice and always comes to an end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from subscriptions.models import Customer, SubscribeAttempt, Subscription
from subscriptions.statuses import ENDED, LIVE
from tests.sandbox import Sandbox, started_sandbox
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
OUR_PRICES = {"price_sandbox_basic", "price_sandbox_pro"}


@dataclass(frozen=True)
class Scenario:
    """Who subscribes, with which card, and what must have come of it in the end."""

    name: str
    number: str
    known: bool = False
    live: int = 1
    charges: int = 1
    # The customer has another product's subscription in the same account.
    beside_foreign: bool = False
    # Another release, which is killed, sends these parameters as well.
    extra_params: dict[str, dict[str, Any]] = field(default_factory=dict)


_CREATE_DIFFERS = {"/v1/subscriptions": {"description": "of another release"}}
_ATTACH_DIFFERS = {"/v1/payment_methods/{}/attach": {"expand": ["customer"]}}

SCENARIOS = [
    Scenario("new customer", VISA),
    Scenario("known customer", VISA, known=True),
    Scenario("decline", FAILS_WHEN_CHARGED, live=0, charges=0),
    Scenario("3-D Secure", NEEDS_AUTHENTICATION),
    Scenario("beside a foreign subscription", VISA, known=True, beside_foreign=True),
    Scenario(
        *("decline beside a foreign one", FAILS_WHEN_CHARGED),
        known=True,
        live=0,
        charges=0,
        beside_foreign=True,
    ),
    Scenario("another release creates", VISA, extra_params=_CREATE_DIFFERS),
    Scenario("another release attaches", VISA, extra_params=_ATTACH_DIFFERS),
]


class DyingService:
    """A service process in which something happens at a chosen step."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.dying_service"],
            env=service_environment(LOG_LEVEL="ERROR"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def subscribe(
        self,
        person: Person,
        number: str,
        *,
        at: int | None,
        what: str = "kill",
        extra_params: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Subscribe a person; let something happen at that step."""
        body = {"subscription_product": "basic_subscription"} | card(number)
        return self.post(person, "subscribe", body, at=at, what=what, extra_params=extra_params)

    def post(
        self, person: Person, path: str, body: dict[str, Any], *, at: int | None, **more: Any
    ) -> dict[str, Any]:
        """POST as a person; let something happen at that step."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "at": at,
            "what": more.get("what", "kill"),
            "path": f"/api/subscriptions/{path}",
            "body": body,
            "headers": person.headers,
            "extra_params": more.get("extra_params") or {},
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def service(_sandbox: Sandbox, django_db_setup: None) -> Iterator[DyingService]:
    """A service process on the tests' database and Stripe."""
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
    whole = service.subscribe(_person(scenario, stripe), scenario.number, at=None)
    steps = whole["steps"]
    assert len(steps) >= 8, steps
    report(f"\n{scenario.name}: {len(steps)} steps")

    for number, step in enumerate(steps):
        person = _person(scenario, stripe)
        foreign = _foreign(person)
        stripe.forget_events()
        killed = service.subscribe(
            person, scenario.number, at=number, extra_params=scenario.extra_params
        )
        assert killed["died"] is True
        way = WAYS[number % len(WAYS)]
        _expire_leases()
        way(person, scenario)
        if scenario.extra_params and not _live(person):
            # The keys of that release are spent; what the user does next is a new attempt.
            assert person.subscribe(scenario.number).status_code == 200
        _assert_converged(person, scenario)
        _finish_authentication(person, scenario)
        live, charges = len(_live(person)), len(_charges(person))
        report(
            f"  killed {step:34} recovered by {way.__name__:17}"
            f" {live} live, {charges} charged, rows equal"
        )
        assert (live, charges) == (scenario.live, scenario.charges)
        assert _foreign(person) == foreign


def test_authenticated_at_any_moment_an_earlier_payment_is_charged_once(
    service: DyingService, stripe: Sandbox, report: Report
) -> None:
    """The user completes 3-D Secure while the next request of theirs replaces that payment."""
    steps = service.subscribe(_waiting(stripe)[0], VISA, at=None)["steps"]
    report(f"\n3-D Secure completed at each of {len(steps)} steps")
    for number, step in enumerate(steps):
        person, intent = _waiting(stripe)
        answer = service.subscribe(person, VISA, at=number, what=f"authenticate {intent}")
        person.hear_from_stripe()
        live, charges = len(_live(person)), len(_charges(person))
        report(f"  completed {step:34} {answer['status']}: {live} live, {charges} charged")
        assert answer["status"] in (200, 409)
        assert (live, charges) == (1, 1)
        assert person.words() == ("successful", "active")


def test_a_call_that_reaches_another_account_does_no_harm(
    service: DyingService, stripe: Sandbox, report: Report
) -> None:
    """A valid key of another account for one call: nothing is taken for deleted, or made there."""
    scenario = Scenario("known customer", VISA, known=True)
    steps = service.subscribe(_person(scenario, stripe), VISA, at=None)["steps"]
    with ExitStack() as stack:
        other = stack.enter_context(started_sandbox())
        for number, step in enumerate(steps):
            if not step.startswith("before POST"):
                continue
            person = _person(scenario, stripe)
            other_key = f"other-account {other.base}"
            answer = service.subscribe(person, VISA, at=number, what=other_key)
            assert answer["status"] >= 400
            assert Customer.objects.filter(user_id=person.id, deleted_at=None).exists()
            again = person.subscribe()
            live, charges = len(_live(person)), len(_charges(person))
            report(
                f"  other account {step:30} {answer['status']}, then {again.status_code}: "
                f"{live} live, {charges} charged"
            )
            assert (live, charges) == (1, 1)
        assert other.all("/v1/subscriptions", status="all") == []
        assert other.all("/v1/charges") == []


def test_killed_while_a_page_does_not_close_it_is_paid_there_alone(
    service: DyingService, stripe: Sandbox, report: Report
) -> None:
    """Stripe keeps a page open on which a payment is being made: nothing else is charged."""
    refused = {
        "effect": "error",
        "status": 400,
        "method": "POST",
        "path": "/v1/checkout/sessions/*/expire",
    }
    with stripe.fault(**refused):
        steps = service.subscribe(_on_a_page(stripe)[0], VISA, at=None)["steps"]
        for number, step in enumerate(steps):
            person, url = _on_a_page(stripe)
            service.subscribe(person, VISA, at=number)
            _expire_leases()
            way = WAYS[number % len(WAYS)]
            if way is not by_the_next_call:
                way(person, Scenario("page", VISA))
            answer = person.subscribe()
            assert stripe.complete_checkout(url)
            person.hear_from_stripe()
            live, charges = len(_live(person)), len(_charges(person))
            report(f"  killed {step:34} {answer.status_code}: {live} live, {charges} charged")
            assert answer.json()["code"] == "payment_under_way"
            assert (live, charges) == (1, 1)
            assert person.words() == ("successful", "active")


def test_killed_during_a_change_the_plan_alone_moves_and_is_charged_once(
    service: DyingService, stripe: Sandbox, report: Report
) -> None:
    """Of several items: quantities stay, and so does the other product's."""
    pro = {"subscription_product": "pro_subscription"}
    steps = service.post(_with_several_items(stripe), "change", pro, at=None)["steps"]
    report(f"\nchange of one of several items: {len(steps)} steps")
    for number, step in enumerate(steps):
        person = _with_several_items(stripe)
        [other, _] = _items(person)
        assert service.post(person, "change", pro, at=number)["died"] is True
        _expire_leases()
        if number % 2:
            person.hear_from_stripe()
        assert person.post("change", pro).status_code in (200, 409)
        person.hear_from_stripe()
        charges = person.stripe.charges_of(person.id)
        report(f"  killed {step:34} {_items(person)[1]}, {len(charges)} charged")
        assert _items(person) == [other, ("price_sandbox_pro", 3)]
        assert len(charges) == 2
        assert person.status()["price_reference"] == "price_sandbox_pro"


def by_the_next_call(person: Person, scenario: Scenario) -> None:
    """Recover as the user does: by calling again."""
    assert person.subscribe(scenario.number).status_code in (200, 400, 409)


def by_the_webhook(person: Person, scenario: Scenario) -> None:
    """Recover by what Stripe reports; what it does not report is left to the sweeper."""
    person.hear_from_stripe()
    if SubscribeAttempt.objects.filter(user_id=person.id, state="open").exists():
        by_the_sweeper(person, scenario)


def by_the_sweeper(person: Person, scenario: Scenario) -> None:
    """Recover without any call."""
    sweep_attempts(timestamp=0)


# The first step comes first: only the user knows of an attempt whose row was never written.
WAYS = [by_the_next_call, by_the_webhook, by_the_sweeper]


def _person(scenario: Scenario, stripe: Sandbox) -> Person:
    person = Person(stripe)
    if scenario.known:
        assert person.post("setup-intent").status_code == 200
    if scenario.beside_foreign:
        _subscribe_elsewhere(person)
    return person


def _subscribe_elsewhere(person: Person) -> None:
    """Give the customer the subscription of two other products in the same account."""
    _sell(person, (_foreign_price(person, 100), 2), (_foreign_price(person, 50), 2))


def _with_several_items(stripe: Sandbox) -> Person:
    """Someone with another product's item before three of ours."""
    person = Person(stripe)
    assert person.post("setup-intent").status_code == 200
    _sell(person, (_foreign_price(person, 300), 2), ("price_sandbox_basic", 3))
    return person


def _foreign_price(person: Person, unit_amount: int) -> str:
    price = person.stripe.post(
        "/v1/prices",
        **{
            "currency": "usd",
            "unit_amount": unit_amount,
            "recurring[interval]": "month",
            "product_data[name]": "Another product",
        },
    )
    return str(price["id"])


def _sell(person: Person, *items: tuple[str, int]) -> None:
    """Sell prices and quantities to a customer in Stripe's dashboard."""
    (customer,) = person.stripe.customers_of(person.id)
    method = person.stripe.post(
        "/v1/payment_methods/pm_card_mastercard/attach", customer=customer["id"]
    )
    form: dict[str, Any] = {
        "customer": customer["id"],
        "default_payment_method": method["id"],
    }
    for number, (price, quantity) in enumerate(items):
        form |= {f"items[{number}][price]": price, f"items[{number}][quantity]": quantity}
    person.stripe.post("/v1/subscriptions", **form)
    person.hear_from_stripe()


def _items(person: Person) -> list[tuple[str, int]]:
    (subscription,) = person.stripe.subscriptions_of(person.id)
    return [(each["price"]["id"], each["quantity"]) for each in subscription["items"]["data"]]


def _waiting(stripe: Sandbox) -> tuple[Person, str]:
    """Someone whose payment waits for 3-D Secure, and its intent."""
    person = Person(stripe)
    body = person.subscribe(NEEDS_AUTHENTICATION).json()
    return person, body["next_action"]["client_secret"].partition("_secret")[0]


def _on_a_page(stripe: Sandbox) -> tuple[Person, str]:
    """Someone with an open checkout page, and its address."""
    person = Person(stripe)
    body = {"subscription_product": "basic_subscription"}
    return person, person.post("checkout-session", body).json()["url"]


def _expire_leases() -> None:
    """Let the time pass after which a process that gave no sign counts as dead."""
    SubscribeAttempt.objects.filter(state="open").update(leased_until=timezone.now())
    Customer.objects.update(leased_until=None)


def _finish_authentication(person: Person, scenario: Scenario) -> None:
    if scenario.number != NEEDS_AUTHENTICATION or person.get("status").status_code == 404:
        return
    assert person.words() == ("failed", "incomplete")
    assert _live(person) == []
    secret = person.get("next-action").json()["next_action"]["client_secret"]
    person.stripe.authenticate(secret.partition("_secret")[0])
    person.hear_from_stripe()
    _assert_converged(person, scenario)


def _ours(person: Person) -> list[dict[str, Any]]:
    found = person.stripe.subscriptions_of(person.id)
    return [each for each in found if each["items"]["data"][0]["price"]["id"] in OUR_PRICES]


def _foreign(person: Person) -> list[dict[str, Any]]:
    found = person.stripe.subscriptions_of(person.id)
    return [each for each in found if each["items"]["data"][0]["price"]["id"] not in OUR_PRICES]


def _live(person: Person) -> list[dict[str, Any]]:
    return [each for each in _ours(person) if each["status"] in LIVE]


def _charges(person: Person) -> list[dict[str, Any]]:
    return [each for each in person.stripe.charges_of(person.id) if each["amount"] != 300]


def _assert_converged(person: Person, scenario: Scenario) -> None:
    attempts = SubscribeAttempt.objects.filter(user_id=person.id)
    assert not attempts.filter(state="open").exists()
    at_stripe = {each["id"]: each["status"] for each in _ours(person)}
    rows = Subscription.objects.filter(user_id=person.id, is_ours=True)
    ours = dict(rows.values_list("stripe_subscription_id", "stripe_status"))
    assert ours == at_stripe
    assert len([state for state in at_stripe.values() if state not in ENDED]) <= 1
    assert len(_charges(person)) <= 1
    if scenario.number == FAILS_WHEN_CHARGED:
        paying = {each["default_payment_method"] for each in _foreign(person)}
        for customer in person.stripe.customers_of(person.id):
            cards = person.stripe.all(f"/v1/customers/{customer['id']}/payment_methods")
            assert {each["id"] for each in cards} <= paying

"""Random requests: whatever is sent is answered or refused, never a failure of the sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from stripe_sandbox import resources, seeds
from stripe_sandbox.api.http import Api, Asked
from stripe_sandbox.api.registry import HANDLERS
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import StripeError
from stripe_sandbox.rules import due_actions
from stripe_sandbox.sdk.endpoints import Endpoint, endpoint
from stripe_sandbox.sdk.types import Choice, ListOf, MapOf, OneOf, Record, Scalar, Type
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.store import Store
from tests.server import SEEDS

Json = dict[str, Any]

ROUNDS = 12
NOW = 1767225600
NUMBERS = (0, 1, 2, 30, 1000, -1, -500, NOW - 5, NOW + 86400, NOW + 10**8, 10**15)
CARDS = ("pm_card_visa", "pm_card_authenticationRequired", "pm_card_chargeCustomerFail")
TEXTS = ("a", "usd", "pm_card_visa", "pm_card_authenticationRequired", "é", "x" * 300, "no one")


class Fuzzer:
    """Sends random requests to an API of its own, and remembers what they make."""

    def __init__(self, seed: int) -> None:
        resources.load()
        store = Store(":memory:", clock=Clock(fixed=NOW), deterministic=True)
        with store.work() as work:
            seeds.apply(work, seeds.read(Path(SEEDS), {}))
        self.random = Random(seed)  # noqa: S311 -- repeatable on purpose
        self.store = store
        self.api = Api(store, Settings(strict=True))
        self.ids: dict[str, list[str]] = {"price": ["price_sandbox_basic", "price_sandbox_pro"]}
        self.statuses: set[int] = set()
        self.refused: set[str] = set()
        self.answered: set[str] = set()

    def send(self, call: Endpoint) -> None:
        """One random request."""
        fields = self.fields(call.params, 0) if call.params else {}
        path = call.path.format(**{name: self.subject(call, name) for name in call.path_names})
        self.request(call, path, urlencode(list(flat(fields))))

    def request(self, call: Endpoint, path: str, form: str) -> None:
        """One request; a refusal must be one of Stripe's."""
        query, body = ("", form.encode()) if call.verb == "POST" else (form, b"")
        asked = Asked("sk_test_sandbox", call.verb, path, query, body, None, None)
        try:
            result, _ = self.api.answer(asked, "req_1")
        except StripeError as refusal:
            self.statuses.add(refusal.status)
            self.refused.add(call.name)
            return
        self.answered.add(call.name)
        self.remember(json.loads(result.body))

    def live(self) -> None:
        """Make a customer with a card, a subscription and an invoice item, all well-formed."""
        card = self.random.choice(CARDS)
        default = f"invoice_settings[default_payment_method]={card}"
        form = f"payment_method={card}&{default}"
        self.request(endpoint("customers.create"), "/v1/customers", form)
        customer = self.ids["customer"][-1]
        item = f"customer={customer}&amount=700&currency=usd"
        self.request(endpoint("invoice_items.create"), "/v1/invoiceitems", item)
        bought = f"customer={customer}&items[0][price]=price_sandbox_basic"
        self.request(endpoint("subscriptions.create"), "/v1/subscriptions", bought)

    def subject(self, call: Endpoint, name: str) -> str:
        """What a path is about: mostly an object of the kind the call answers."""
        kind = call.result.object_name if isinstance(call.result, Record) else None
        known = self.ids.get(kind or "")
        if known and name == call.path_names[-1] and self.random.random() < 0.8:
            return self.random.choice(known[-8:])
        return self.identifier(name)

    def remember(self, thing: Json) -> None:
        """Keep ids, so that later requests find something."""
        for one in thing.get("data", [thing]):
            if isinstance(one, dict) and "id" in one and not one.get("deleted"):
                self.ids.setdefault(one["object"], []).append(one["id"])
            if isinstance(one, dict) and one.get("object") == "subscription":
                self.ids.setdefault("subscription_item", []).append(one["items"]["data"][0]["id"])
                self.ids.setdefault("invoice", []).append(str(one["latest_invoice"]))

    def fields(self, kind: Record, depth: int) -> Json:
        """A random choice of a record's fields; required ones nearly always."""
        chance = 0.08
        return {
            name: self.value(field.type, name, depth + 1)
            for name, field in kind.fields.items()
            if name != "expand" and self.random.random() < (chance if field.optional else 0.97)
        }

    def value(self, kind: Type, name: str, depth: int) -> Any:
        """A value that fits its type, most of the time."""
        if self.random.random() < 0.03:
            return self.random.choice(["", "nonsense", {"0": "x"}])
        if isinstance(kind, OneOf):
            return self.value(self.random.choice(kind.options), name, depth)
        if isinstance(kind, Choice):
            return self.random.choice(kind.values)
        if isinstance(kind, ListOf):
            count = self.random.randint(1, 2)
            return {str(n): self.value(kind.item, name, depth) for n in range(count)}
        if isinstance(kind, MapOf):
            return {"k": "v"}
        if isinstance(kind, Record):
            return self.fields(kind, depth)
        return self.scalar(kind, name)

    def scalar(self, kind: Type, name: str) -> Any:
        """A plain value; names that look like references get ids that exist."""
        if kind == Scalar("bool"):
            return self.random.choice(["true", "false"])
        if kind != Scalar("str"):
            return self.random.choice(NUMBERS)
        if self.random.random() < 0.85:
            return self.identifier(name)
        return self.random.choice(TEXTS)

    def identifier(self, name: str) -> str:
        """An id that fits a parameter's name, if there is one."""
        if name == "query":
            return self.random.choice(["status:'active'", "metadata['k']:'v'", "created>1", "x"])
        if name in {"url", "success_url", "return_url"}:
            return "http://127.0.0.1:9/x"
        if name == "currency":
            return "usd"
        wanted = name.removeprefix("default_").removesuffix("_exposed_id")
        exact = self.ids.get(wanted) or self.ids.get(f"test_helpers.{wanted}")
        if exact:
            return self.random.choice(exact[-6:])
        everything = [i for ids in self.ids.values() for i in ids[-3:]]
        return self.random.choice([*everything, *TEXTS])

    def let_time_pass(self) -> None:
        """Do what has fallen due on every clock."""
        for clock, target in due_actions.advancing(self.store):
            for _ in range(40):
                if not due_actions.next_step(self.store, clock=clock, until=target):
                    break
            due_actions.arrive(self.store, clock)
        self.store.clock.fixed = (self.store.clock.fixed or NOW) + 86400
        for _ in range(40):
            if not due_actions.next_step(self.store, clock="", until=self.store.clock.now()):
                break


def flat(fields: Json, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Form pairs of nested parameters."""
    for name, value in fields.items():
        path = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, dict):
            yield from flat(value, path)
        else:
            yield path, value


@pytest.mark.parametrize("seed", range(3))
def test_random_requests_never_break_the_sandbox(seed: int) -> None:
    """Every covered call, in random order with random parameters, strictly checked."""
    fuzzer = Fuzzer(seed)
    calls = [endpoint(name) for name in sorted(HANDLERS)]
    creating = [call for call in calls if call.verb == "POST" and not call.path_names]

    for _ in range(ROUNDS):
        fuzzer.live()
        for call in fuzzer.random.sample(calls, len(calls)) + creating * 2:
            fuzzer.send(call)
        fuzzer.let_time_pass()
    fuzzer.store.close()

    assert fuzzer.statuses <= {400, 402, 404, 501}
    assert len(fuzzer.answered) > len(calls) * 0.6
    assert len(fuzzer.refused) > len(calls) * 0.4

"""Many requests at once, through the gateway."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from dev.demo.journey import CARD_PAYS, card
from e2e.people import Person
from e2e.system import RunningSystem


def test_of_a_hundred_subscribes_one_succeeds(running: RunningSystem, person: Person) -> None:
    """A user who clicks a hundred times pays once."""
    url = f"{running.url}/api/subscriptions/subscribe"
    headers = {"Authorization": f"JWT {person.access}"}

    limits = httpx.Limits(max_connections=100)
    with httpx.Client(timeout=60, trust_env=False, limits=limits) as client:

        def subscribe(_: int) -> int:
            return client.post(url, json=card(CARD_PAYS), headers=headers).status_code

        with ThreadPoolExecutor(100) as pool:
            statuses = Counter(pool.map(subscribe, range(100)))

    assert statuses == {200: 1, 409: 99}
    assert person.status()["status"] == "successful"
    assert _at_stripe(running, person) == (1, 1)


def _at_stripe(running: RunningSystem, person: Person) -> tuple[int, int]:
    """How many subscriptions and successful charges the sandbox has for the person."""

    def listed(kind: str, **query: str) -> list[dict[str, object]]:
        answer = running.client.get(
            f"{running.sandbox_url}/v1/{kind}",
            params={"limit": "100", **query},
            auth=(running.settings.values["STRIPE_API_SECRET"], ""),
        )
        assert answer.status_code == 200, answer.text
        data: list[dict[str, object]] = answer.json()["data"]
        return data

    mine = str(person.status()["id_reference"])
    everything = listed("subscriptions", status="all")
    customer = next(str(one["customer"]) for one in everything if one["id"] == mine)
    subscriptions = [one for one in everything if one["customer"] == customer]
    charges = [one for one in listed("charges", customer=customer) if one["paid"]]
    return len(subscriptions), len(charges)

"""Webhook deliveries at their worst: repeated, out of order, lost, earlier than the answer."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx

from dev.demo.journey import CARD_3D_SECURE, CARD_DECLINED, CARD_PAYS
from e2e.people import COMPLETE, FAIL, Person, complete_3ds
from e2e.system import RunningSystem
from e2e.waiting import until

# `make chaos` runs a thousand.
SUBSCRIBERS = int(os.environ.get("CHAOS_SUBSCRIBERS") or 30)
SEED = 20

# Together they deliver each event one to five times, up to a second and a half late and so out of
# order, and one event in twenty never.
DISTURBANCES: tuple[dict[str, Any], ...] = (
    {"effect": "duplicate", "copies": 2, "probability": 0.4, "seed": 1},
    {"effect": "duplicate", "copies": 2, "probability": 0.3, "seed": 2},
    {"effect": "reorder", "milliseconds": 1500, "seed": 3},
    {"effect": "drop", "probability": 0.05, "seed": 4},
)


def test_after_any_chaos_the_database_equals_stripe(running: RunningSystem) -> None:
    """However deliveries go wrong, our rows equal Stripe's objects in the end."""
    began, log_before = int(time.time()), len(running.log("gateway"))
    with disturbed_deliveries(running) as rules, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: live(running, number=number), range(SUBSCRIBERS)))
        struck = {rule["effect"]: rule["applied"] for rule in rules()}
    before = answered_with_5xx(running, since=log_before)
    assert until(
        lambda: under_way(running, since=began) <= struck["drop"], seconds=300 + SUBSCRIBERS
    )
    manage(running, "webhooks", "backfill", "--since", "1d")
    assert until(lambda: is_empty(running), seconds=300 + SUBSCRIBERS)

    report = manage(running, "stripe_reconcile", "--dry-run", "--json")

    assert all(struck.values()), struck
    assert json.loads(report)["drift"] == []
    assert ours(running) == stripes(running)
    assert before == []
    assert failed_events(running) == "0"


@contextmanager
def disturbed_deliveries(running: RunningSystem) -> Iterator[Any]:
    """Deliveries go wrong within; yields a function that returns how often each fault occurred."""
    faults = f"{running.sandbox_url}/sandbox/faults"
    for disturbance in DISTURBANCES:
        assert running.client.post(faults, json=disturbance).status_code == 201
    try:
        yield lambda: running.client.get(faults).json()["data"]
    finally:
        running.client.delete(faults)


def live(running: RunningSystem, *, number: int) -> None:
    """One subscriber's life: a beginning, then a few turns, here and in Stripe's dashboard."""
    random = Random(SEED + number)  # noqa: S311 - repeatable on purpose, no secret
    person = running.new_person()
    begin(person, random=random)
    for _ in range(random.randrange(4)):
        turn = random.choice((cancel_at_period_end, resume, upgrade, touch, end, end_at_stripe))
        turn(running, person)


def begin(person: Person, *, random: Random) -> None:
    """Subscribe in one of the ways people do."""
    way = random.randrange(4)
    if way == 0:
        assert person.subscribe(CARD_DECLINED).status_code == 400
    if way == 1:
        assert person.subscribe(CARD_3D_SECURE).status_code == 200
        complete_3ds(person, button=random.choice((COMPLETE, FAIL)))
    if way != 1:
        assert person.subscribe(CARD_PAYS).status_code == 200


def cancel_at_period_end(_running: RunningSystem, person: Person) -> None:
    """The subscriber leaves with the paid period."""
    person.post("/api/subscriptions/cancel", {"at_period_end": True})


def resume(_running: RunningSystem, person: Person) -> None:
    """They change their mind."""
    person.post("/api/subscriptions/resume")


def upgrade(_running: RunningSystem, person: Person) -> None:
    """They want more."""
    person.post("/api/subscriptions/change", {"subscription_product": "pro_subscription"})


def end(_running: RunningSystem, person: Person) -> None:
    """They leave now, and come back."""
    person.post("/api/subscriptions/cancel", {"at_period_end": False})
    person.subscribe(CARD_PAYS)


def touch(running: RunningSystem, person: Person) -> None:
    """Staff write a note in Stripe's dashboard: events within the same second."""
    for note in ("a", "b"):
        stripe(running, "POST", f"subscriptions/{reference(person)}", {"metadata[note]": note})


def end_at_stripe(running: RunningSystem, person: Person) -> None:
    """Staff end the subscription in Stripe's dashboard; only the webhook tells us."""
    stripe(running, "DELETE", f"subscriptions/{reference(person)}")


def reference(person: Person) -> str:
    """Stripe's id of the person's subscription."""
    return str(person.status()["id_reference"])


def stripe(
    running: RunningSystem, method: str, path: str, form: dict[str, str] | None = None
) -> httpx.Response:
    """Call the sandbox as Stripe's dashboard does; a change that comes too late may be refused."""
    answer = running.client.request(
        method,
        f"{running.sandbox_url}/v1/{path}",
        data=form,
        auth=(running.settings.values["STRIPE_API_SECRET"], ""),
    )
    assert answer.status_code < 500, answer.text
    return answer


def listed(running: RunningSystem, kind: str, **query: str) -> Iterator[dict[str, Any]]:
    """Everything of a kind that the sandbox has."""
    after: dict[str, str] = {}
    while True:
        answer = running.client.get(
            f"{running.sandbox_url}/v1/{kind}",
            params={"limit": "100", **query, **after},
            auth=(running.settings.values["STRIPE_API_SECRET"], ""),
        )
        page = answer.json()
        yield from page["data"]
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


def stripes(running: RunningSystem) -> dict[str, str]:
    """Each subscription's status, as Stripe says."""
    return {one["id"]: one["status"] for one in listed(running, "subscriptions", status="all")}


def ours(running: RunningSystem) -> dict[str, str]:
    """Each subscription's status, as our database says."""
    rows = running.sql(
        "billing",
        "SELECT stripe_subscription_id || ' ' || stripe_status FROM subscriptions_subscription",
    )
    return dict(row.split() for row in rows.splitlines())


def under_way(running: RunningSystem, *, since: int) -> int:
    """How many events have not arrived: those to come, and forever those that were dropped."""
    events = listed(running, "events", **{"created[gte]": str(since)})
    return sum(event["pending_webhooks"] for event in events)


def is_empty(running: RunningSystem) -> bool:
    """Whether the inbox is empty."""
    return (
        running.sql("billing", "SELECT count(*) FROM webhooks_webhookevent WHERE state = 'pending'")
        == "0"
    )


def failed_events(running: RunningSystem) -> str:
    """How many events failed for good."""
    return running.sql("billing", "SELECT count(*) FROM webhooks_webhookevent WHERE state = 'dead'")


def answered_with_5xx(running: RunningSystem, *, since: int) -> list[str]:
    """What the gateway has answered to Stripe with a server error, from a point of its log on."""
    log = running.log("gateway")[since:]
    lines = (json.loads(line) for line in log.splitlines() if line[:1] == "{")
    return [
        str(line["RequestPath"])
        for line in lines
        if "stripe-webhook" in line.get("RequestPath", "") and line["DownstreamStatus"] >= 500
    ]


def manage(running: RunningSystem, *arguments: str) -> str:
    """Run one of billing's commands as an operator would; it has to succeed."""
    worker = running.process("billing-worker")
    done = subprocess.run(
        [worker.argv[0], "manage.py", *arguments],
        cwd=worker.cwd,
        env=dict(worker.env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

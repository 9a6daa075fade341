"""Records events: what happened, to which object, and what it was before."""

from stripe_sandbox.api import rendering
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.system import Event, WebhookEndpoint
from stripe_sandbox.sdk.source import api_version
from stripe_sandbox.storage.kinds import EVENT, WEBHOOK_ENDPOINT
from stripe_sandbox.storage.store import Work


def emit(work: Work, type: str, thing: Thing) -> None:  # noqa: A002 -- Stripe's word for it
    """Record an event about an object as it is now.

    An `.updated` event carries `previous_attributes`, and is not recorded when
    nothing that a caller can see has changed.

    Args:
        work: The unit of work the change belongs to.
        type: Stripe's event type, such as `customer.updated`.
        thing: The object, changed but not necessarily flushed.
    """
    data: Json = {"object": rendering.present(work, thing)}
    if type.endswith(".updated"):
        data["previous_attributes"] = _previous(work, thing, data["object"])
        if not data["previous_attributes"]:
            return
    if not thing.get("deleted"):
        work.announce(thing)
    endpoints = listening(work, type)
    # Event times are real time, whatever a test clock says.
    event = work.create(
        EVENT,
        {
            "api_version": api_version(),
            "data": data,
            "pending_webhooks": len(endpoints),
            "request": dict(work.request),
            "type": type,
        },
    )
    for endpoint in endpoints:
        queue(work, event, endpoint["id"])
    work.events.append(dict(event))


def queue(work: Work, event: Event, endpoint: str) -> None:
    """Have an event sent to an endpoint as soon as this unit of work is stored.

    A fault in force may delay it, send it more than once, or drop it.
    """
    now = work.store.clock.wall()
    delays = work.store.delivery_delays(event["type"])
    sent: list[tuple[str, float | None]] = [("waiting", now + delay) for delay in delays]
    for state, at in sent or [("dropped", None)]:
        work.execute(
            "INSERT INTO deliveries (event, endpoint, state, next_attempt, created)"
            " VALUES (?, ?, ?, ?, ?)",
            (event["id"], endpoint, state, at, now),
        )


def listening(work: Work, type: str) -> list[WebhookEndpoint]:  # noqa: A002 -- as above
    """The enabled endpoints that want events of a type."""
    return [
        endpoint
        for endpoint in work.all(WEBHOOK_ENDPOINT, {"status": "enabled"})
        if {"*", type} & set(endpoint["enabled_events"])
    ]


def _previous(work: Work, thing: Thing, now: Json) -> Json:
    before = rendering.present(work, work.announced(thing["id"]))
    return difference(before, now)


def difference(before: Json, now: Json) -> Json:
    """The old values of what changed; nested objects show only what changed in them."""
    changed: Json = {}
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        nested = isinstance(old, dict) and isinstance(new, dict) and old.get("object") != "list"
        changed[name] = difference(old or {}, new or {}) if nested else old
    return changed

"""Events, and sending them again."""

from fnmatch import fnmatchcase
from typing import Any

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks import events

Json = dict[str, Any]


@handles("events.list")
def list_events(call: Call) -> Json:
    """Events, newest first, of some types if they are named."""
    params = call.params
    wanted = params.get("types") or ([params["type"]] if "type" in params else None)
    where = {"type": _expand(call.work, wanted) if wanted else None}
    where["_delivered"] = params.get("delivery_success")
    return page(call, "event", where)


def _expand(work: Work, wanted: list[str]) -> list[str]:
    """`invoice.*` names every type of that family that has happened."""
    if not any("*" in one for one in wanted):
        return wanted
    known = work.values("event", "type")
    return [name for name in known if any(fnmatchcase(name, one) for one in wanted)] or [""]


@handles("events.retrieve")
def retrieve(call: Call) -> Json:
    """One event, as it was when it happened."""
    return call.work.get("event", call.id)


def resend(work: Work, identifier: str, endpoint: str | None) -> Json:
    """Send an event again, to one endpoint or to all that listen.

    Raises:
        InvalidRequest: No endpoint listens to it.
    """
    event = work.get("event", identifier)
    targets = [work.get("webhook_endpoint", endpoint)] if endpoint else listeners(work, event)
    if not targets:
        raise InvalidRequest("No webhook endpoint listens to this event.")
    for target in targets:
        events.queue(work, event, target["id"])
    event["pending_webhooks"] += len(targets)
    return work.save(event)


def listeners(work: Work, event: Json) -> list[Json]:
    """The endpoints that an event would be sent to now."""
    return events.listening(work, event["type"])

"""Events, and sending them again."""

from fnmatch import fnmatchcase

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.system import Event, WebhookEndpoint
from stripe_sandbox.storage.kinds import EVENT, WEBHOOK_ENDPOINT
from stripe_sandbox.storage.store import Except, Work
from stripe_sandbox.webhooks import events


@handles("events.list")
def list_events(call: Call) -> Thing:
    """Events, newest first, of some types if they are named."""
    params = call.params
    wanted = params.get("types") or ([params["type"]] if "type" in params else None)
    where: Json = {"type": _expand(call.work, wanted) if wanted else None}
    delivered = params.get("delivery_success")
    if delivered is not None:
        where["pending_webhooks"] = 0 if delivered else Except(0)
    return page(call, EVENT, where)


def _expand(work: Work, wanted: list[str]) -> list[str]:
    """`invoice.*` names every type of that family that has happened."""
    if not any("*" in one for one in wanted):
        return wanted
    known = work.values(EVENT, "type")
    return [name for name in known if any(fnmatchcase(name, one) for one in wanted)] or [""]


retrieves("events.retrieve", EVENT)


def resend(work: Work, identifier: str, endpoint: str | None) -> Event:
    """Send an event again, to one endpoint or to all that are subscribed to it.

    Raises:
        InvalidRequest: No endpoint is subscribed to it.
    """
    event = work.get(EVENT, identifier)
    targets = [work.get(WEBHOOK_ENDPOINT, endpoint)] if endpoint else listeners(work, event)
    if not targets:
        raise InvalidRequest("No webhook endpoint is subscribed to this event.")
    for target in targets:
        events.queue(work, event, target["id"])
    event["pending_webhooks"] += len(targets)
    return work.save(event)


def listeners(work: Work, event: Event) -> list[WebhookEndpoint]:
    """The endpoints that an event would be sent to now."""
    return events.listening(work, event["type"])

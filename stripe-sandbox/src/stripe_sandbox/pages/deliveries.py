"""The log of webhook deliveries: every event, endpoint and attempt."""

from typing import Any

from starlette.responses import Response

from stripe_sandbox.objects.common import Json
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.storage.store import Work

STATES = ("waiting", "sending", "delivered", "failed", "dropped")
_LENGTH = 50

_SELECT = """
SELECT d.id, d.event, d.endpoint, d.state, d.attempts, d.next_attempt, d.created,
  (SELECT a.outcome FROM delivery_attempts a WHERE a.delivery = d.id ORDER BY a.id DESC LIMIT 1),
  (SELECT a.status FROM delivery_attempts a WHERE a.delivery = d.id ORDER BY a.id DESC LIMIT 1)
FROM deliveries d
"""
_NAMES = ("id", "event", "endpoint", "state", "attempts", "next_attempt", "created")

# httpx's names for the ways in which no answer came.
_WORDS = {
    "ConnectError": "No connection",
    "ConnectTimeout": "No connection",
    "ReadTimeout": "No answer",
    "ReadError": "Connection lost",
    "RemoteProtocolError": "Connection lost",
}


def count(work: Work, state: str) -> int:
    """How many deliveries are in a state."""
    return int(work.query("SELECT count(*) FROM deliveries WHERE state = ?", (state,))[0][0])


def of_event(work: Work, event: str) -> list[Json]:
    """Where an event was sent, and how that went."""
    return _read(work, "WHERE d.event = ? ORDER BY d.id", (event,))


def _read(work: Work, rest: str, values: tuple[Any, ...]) -> list[Json]:
    rows = work.query(_SELECT + rest, values)
    return [_delivery(work, row) for row in rows]


def _delivery(work: Work, row: Any) -> Json:
    *columns, outcome, status = row
    delivery = dict(zip(_NAMES, columns, strict=True))
    event, endpoint = work.find_any(delivery["event"]), work.find_any(delivery["endpoint"])
    return delivery | {
        "type": event["type"] if event else delivery["event"],
        "url": endpoint["url"] if endpoint else delivery["endpoint"],
        "answer": f"Answered {status}" if status else _WORDS.get(_kind(outcome), _kind(outcome)),
    }


def _kind(outcome: str | None) -> str:
    return (outcome or "").partition(":")[0]


def listing(visit: Visit) -> Response:
    """The newest deliveries."""
    state = visit.request.query_params.get("state", "")
    before = visit.request.query_params.get("before", "")
    rest, values = "WHERE 1", list[Any]()
    if state in STATES:
        rest, values = f"{rest} AND d.state = ?", [*values, state]
    if before.isdecimal():
        rest, values = f"{rest} AND d.id < ?", [*values, int(before)]
    found = _read(visit.work, f"{rest} ORDER BY d.id DESC LIMIT {_LENGTH + 1}", tuple(values))
    older = found[_LENGTH - 1]["id"] if len(found) > _LENGTH else None
    return visit.show(
        "deliveries.html", rows=found[:_LENGTH], states=STATES, state=state, older=older
    )

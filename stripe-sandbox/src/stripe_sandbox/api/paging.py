"""Answers list calls: filters, cursors and the list object."""

from collections.abc import Sequence
from typing import Any

from stripe_sandbox.api.registry import Call
from stripe_sandbox.errors import InvalidParameter, ResourceMissing
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.storage.index import Position
from stripe_sandbox.storage.kinds import Kind


def page(call: Call, kind: Kind[Any], where: Json) -> Json:
    """One page of a kind, newest first, as the request's cursors ask.

    Args:
        call: The request; `limit`, `starting_after`, `ending_before`, `created` are read.
        kind: What is listed.
        where: Linked fields to filter on; None values are no filter.
    """
    limit = limit_of(call)
    wanted = {name: value for name, value in where.items() if value is not None}
    found = call.work.newest(
        kind,
        wanted,
        limit=limit + 1,
        before=_cursor(call, kind, "starting_after"),
        after=_cursor(call, kind, "ending_before"),
        created=_created(call),
    )
    more = len(found) > limit
    if more:
        found = found[1:] if "ending_before" in call.params else found[:limit]
    return list_object(found, url=call.path, more=more)


def list_object(
    data: Sequence[Thing], *, url: str, more: bool = False, total: int | None = None
) -> Json:
    """A list object as it stands in answers, or with a total inside most objects."""
    listed = {"object": "list", "data": list(data), "has_more": more, "url": url}
    return listed if total is None else {**listed, "total_count": total}


def slice_page(call: Call, things: Sequence[Thing], noun: str) -> Json:
    """One page of things that live inside another object, in their own order."""
    limit, start, end = limit_of(call), 0, len(things)
    ids = [thing["id"] for thing in things]
    for name in ("starting_after", "ending_before"):
        cursor = call.params.get(name)
        if cursor is not None and cursor not in ids:
            raise ResourceMissing(noun, cursor, param=name, status=400)
    if call.params.get("starting_after"):
        start = ids.index(call.params["starting_after"]) + 1
    if call.params.get("ending_before"):
        end = ids.index(call.params["ending_before"])
        start = max(start, end - limit)
    chosen = things[start : min(end, start + limit)]
    more = start > 0 if call.params.get("ending_before") else start + limit < end
    return list_object(chosen, url=call.path, more=more)


def limit_of(call: Call) -> int:
    """The `limit` of a request, 1 to 100.

    Raises:
        InvalidParameter: It is out of range.
    """
    limit = int(call.params.get("limit", 10))
    if not 1 <= limit <= 100:
        raise InvalidParameter(
            f"This value must be {'less' if limit > 100 else 'greater'} than or equal to "
            f"{100 if limit > 100 else 1} (it currently is '{limit}').",
            code="parameter_invalid_integer",
            param="limit",
        )
    return limit


def _cursor(call: Call, kind: Kind[Any], name: str) -> Position | None:
    identifier = call.params.get(name)
    if identifier is None:
        return None
    position = call.work.position(identifier)
    if position is None:
        raise ResourceMissing(kind.noun, identifier, param=name, status=400)
    return position


def _created(call: Call) -> Json:
    created = call.params.get("created")
    return {"gte": created, "lte": created} if isinstance(created, int) else created or {}

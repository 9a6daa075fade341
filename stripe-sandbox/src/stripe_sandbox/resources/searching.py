"""The search language: `status:'active' AND metadata['key']:'value'`.

Source: https://docs.stripe.com/search#search-query-language.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any, NoReturn

from stripe_sandbox.api.paging import limit_of
from stripe_sandbox.api.registry import Call
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.storage.index import Bounds, Condition, Position, Value
from stripe_sandbox.storage.kinds import Kind, Searchable

_CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>[a-z_0-9.]+)(?:\[(['"])(?P<key>[^'"]+)\3\])?
        \s*(?P<operator>:|~|>=|<=|>|<)\s*
        (?:(['"])(?P<text>(?:[^'"\\]|\\.|(?!\6)['"])*)\6|(?P<bare>[A-Za-z0-9_.-]+))""",
    re.VERBOSE,
)
_JOIN = re.compile(r"\s*(?:\s(AND|OR)\b|\s)", re.IGNORECASE)
_BOUNDS = {":": ["gte", "lte"], ">": ["gt"], ">=": ["gte"], "<": ["lt"], "<=": ["lte"]}
_MOST_CLAUSES = 10
_SHORTEST_PART = 3


def search(call: Call, kind: Kind[Any]) -> Json:
    """A page of search results, newest first."""
    resource = call.path.split("/")[-2]
    conditions, any_of = _parse(call.params["query"], kind, resource)
    bounds = Bounds(before=_position(call.params.get("page")))
    if not any_of:
        conditions, bounds = _bounded(conditions, bounds)
    limit = limit_of(call)
    found = call.work.matching(kind, conditions, bounds, limit=limit + 1, any_of=any_of)
    more = len(found) > limit
    return {
        "object": "search_result",
        "data": found[:limit],
        "has_more": more,
        "next_page": _cursor(call, found[limit - 1]) if more else None,
        "url": call.path,
    }


def _cursor(call: Call, last: Thing) -> str:
    created, seq = call.work.position(last["id"]) or (0, 0)
    return urlsafe_b64encode(f"{created} {seq}".encode()).decode()


def _position(page: str | None) -> Position | None:
    if page is None:
        return None
    try:
        created, seq = urlsafe_b64decode(page).split()
        return Position(int(created), int(seq))
    except ValueError:
        raise InvalidRequest("The `page` parameter is invalid.", param="page") from None


def _bounded(conditions: list[Condition], bounds: Bounds) -> tuple[list[Condition], Bounds]:
    """Turn conditions on `created` into bounds of the order, so that fewer rows are read."""
    created: Json = {}
    rest = []
    for condition in conditions:
        names = _BOUNDS.get(condition.operator, [])
        if condition.field == "created" and not condition.negated and not set(names) & set(created):
            created |= dict.fromkeys(names, condition.values[0])
        else:
            rest.append(condition)
    return rest, replace(bounds, created=tuple(created.items()))


def _parse(query: str, kind: Kind[Any], resource: str) -> tuple[list[Condition], bool]:
    conditions: list[Condition] = []
    joins: set[str] = set()
    query = query.strip()
    position = 0
    while True:
        clause = _CLAUSE.match(query, position)
        if clause is None:
            _unparsable()
        conditions.append(_condition(clause.groupdict(), kind, resource))
        position = clause.end()
        if position == len(query):
            break
        join = _JOIN.match(query, position)
        if join is None:
            _unparsable()
        joins.add((join.group(1) or "AND").upper())
        position = join.end()
    if len(joins) > 1:
        raise InvalidRequest("You cannot combine AND and OR in one query.", param="query")
    if len(conditions) > _MOST_CLAUSES:
        raise InvalidRequest(f"A search query has at most {_MOST_CLAUSES} clauses.", param="query")
    return conditions, joins == {"OR"}


def _unparsable() -> NoReturn:
    raise InvalidRequest(
        "We were unable to parse your search query. Try using the format "
        '`metadata["key"]:"value"` to query for metadata or key:"value" to query for other fields.',
        param="query",
    )


def _condition(clause: Json, kind: Kind[Any], resource: str) -> Condition:
    name, operator = clause["field"], clause["operator"]
    field = _field(clause, kind, resource)
    negated = bool(clause["not"])
    path = f"metadata[{clause['key']}]" if name == "metadata" else field.path or name
    if clause["bare"] == "null" and operator == ":":
        return Condition(path, "missing", negated=negated)
    text = clause["bare"] if clause["text"] is None else re.sub(r"\\(.)", r"\1", clause["text"])
    if operator == "~" and (field.type == "numeric" or len(text) < _SHORTEST_PART):
        raise InvalidRequest(
            f"The operator `~` takes at least {_SHORTEST_PART} characters, and no numeric field.",
            param="query",
        )
    if operator not in ":~" and field.type != "numeric":
        raise InvalidRequest(
            f"Field `{name}` is not numeric; only numeric fields can be compared with "
            f"`{operator}`.",
            param="query",
        )
    value: Value = _number(text, name) if field.type == "numeric" else text
    return Condition(path, operator, (value,), negated)


def _field(clause: Json, kind: Kind[Any], resource: str) -> Searchable:
    name = clause["field"]
    if name == "metadata" and clause["key"]:
        return Searchable("token")
    found = kind.search.get(name)
    if found is None or clause["key"]:
        raise InvalidRequest(
            f"Field `{name}` is an unsupported search field for resource `{resource}`. See "
            f"http://stripe.com/docs/search#query-fields-for-{resource.replace('_', '-')} for a "
            "list of supported fields.",
            param="query",
        )
    return found


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise InvalidRequest(f"Field `{name}` is numeric: {text} is no number.", param="query")
    return int(text)

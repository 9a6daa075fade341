"""The search language: `status:'active' AND metadata['key']:'value'`.

Source: https://docs.stripe.com/search#search-query-language.
"""

import re
from typing import Any

from stripe_sandbox.api.paging import limit_of
from stripe_sandbox.api.registry import Call
from stripe_sandbox.errors import InvalidRequest

Json = dict[str, Any]

_CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>[a-z_.]+)(?:\[(['"])(?P<key>[^'"]+)\3\])?
        \s*(?P<operator>:|~|>=|<=|>|<)\s*
        (?:(['"])(?P<text>(?:[^'"\\]|\\.)*)\6|(?P<bare>[A-Za-z0-9_.-]+))\s*""",
    re.VERBOSE,
)
_JOIN = re.compile(r"(AND|OR)\b", re.IGNORECASE)


def search(call: Call, kind: str) -> Json:
    """A page of search results, newest first."""
    clauses, any_of = _parse(call.params["query"])
    combine = any if any_of else all
    found = [
        thing
        for thing in call.work.newest(kind, {})
        if combine(_matches(thing, clause) for clause in clauses)
    ]
    start, limit = _page(call.params.get("page", "0")), limit_of(call)
    end = start + limit
    more = end < len(found)
    return {
        "object": "search_result",
        "data": found[start:end],
        "has_more": more,
        "next_page": str(end) if more else None,
        "url": call.path,
    }


def _page(page: str) -> int:
    if not page.isdecimal():
        raise InvalidRequest("The `page` parameter is invalid.", param="page")
    return int(page)


def _parse(query: str) -> tuple[list[Json], bool]:
    clauses: list[Json] = []
    joins: set[str] = set()
    position = 0
    while True:
        clause = _CLAUSE.match(query, position)
        if clause is None:
            raise InvalidRequest("We were unable to parse your search query.", param="query")
        clauses.append(clause.groupdict())
        position = clause.end()
        if position == len(query):
            break
        join = _JOIN.match(query, position)
        if join is None:
            raise InvalidRequest("We were unable to parse your search query.", param="query")
        joins.add(join.group(1).upper())
        position = join.end()
    if len(joins) > 1:
        raise InvalidRequest("You cannot combine AND and OR in one query.", param="query")
    return clauses, joins == {"OR"}


def _matches(thing: Json, clause: Json) -> bool:
    value: Any = thing
    for step in clause["field"].split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if clause["key"]:
        value = value.get(clause["key"]) if isinstance(value, dict) else None
    wanted = clause["text"] if clause["text"] is not None else clause["bare"]
    return _compare(value, clause["operator"], wanted) != bool(clause["not"])


def _compare(value: Any, operator: str, wanted: str) -> bool:
    if wanted == "null" or value is None:
        return value is None and wanted == "null"
    if operator == "~":
        return wanted.lower() in str(value).lower()
    if operator == ":":
        return str(value).lower() == wanted.lower()
    try:
        number, bound = float(value), float(wanted)
    except (TypeError, ValueError):
        raise InvalidRequest(
            "Only numeric fields can be compared in a search query.", param="query"
        ) from None
    return {">": number > bound, "<": number < bound, ">=": number >= bound}.get(
        operator, number <= bound
    )

"""The sandbox answers what Stripe answered: each fact is asked of a running sandbox."""

import re
from typing import Any
from urllib.parse import parse_qsl, quote

import httpx
import pytest

from tests import plain_http
from tests.conformance import ABSENT, FACTS, SOME, Ask
from tests.server import Server

_MISSING = object()


def at(answer: Any, path: str) -> Any:
    """What stands at a dotted path of an answer."""
    for step in path.split("."):
        if isinstance(answer, list):
            answer = answer[int(step)] if int(step) < len(answer) else _MISSING
        elif isinstance(answer, dict):
            answer = answer.get(step, _MISSING)
        else:
            return _MISSING
    return answer


def filled(text: str, named: dict[str, Any]) -> str:
    """The text with what earlier answers contained."""
    return re.sub(r"\{(\w+)\.([\w.]+)\}", lambda m: str(at(named[m[1]], m[2])), text)


def send(server: Server, ask: Ask, named: dict[str, Any]) -> httpx.Response:
    """One request, as curl would send it."""
    form = [
        (name, filled(value, named)) for name, value in parse_qsl(ask.form, keep_blank_values=True)
    ]
    encoded = "&".join(f"{quote(name, safe='[]')}={quote(value)}" for name, value in form)
    url = f"{server.url}/v1/{filled(ask.path, named)}"
    headers = {"Authorization": "Bearer sk_test_x"}
    if ask.verb == "GET":
        return plain_http.get(f"{url}?{encoded}" if encoded else url, headers=headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return plain_http.request(ask.verb, url, content=encoded, headers=headers)


def differences(answer: Any, ask: Ask, named: dict[str, Any]) -> list[str]:
    """What of an answer is not as the fact says."""
    found = []
    for path, wanted in ask.expect.items():
        value = at(answer, path)
        if wanted is ABSENT:
            good = value is _MISSING
        elif wanted is SOME:
            good = value is not _MISSING and value is not None
        else:
            good = value == (filled(wanted, named) if isinstance(wanted, str) else wanted)
        if not good:
            found.append(f"{ask.verb} {ask.path} {path}: {value!r}")
    return found


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_holds(server: Server, fact: str) -> None:
    """Statuses and every determined value are Stripe's."""
    named: dict[str, Any] = {}
    for ask in FACTS[fact]:
        response = send(server, ask, named)
        assert response.status_code == ask.status, response.text
        answer = response.json()
        assert differences(answer, ask, named) == []
        if ask.name:
            named[ask.name] = answer

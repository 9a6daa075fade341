"""What is the same for every address: strict bodies, HEAD, and the headers that protect answers."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from auth_service.users.accounts import User

JSON = {"Content-Type": "application/json"}
DOCUMENTS = ["/api/token/openapi.json", "/internal/openapi.json"]
OBJECT = '{"token": "x", "username": "ada", "password": "a long password"}'
NOT_STRICT = {
    "utf-16": OBJECT.encode("utf-16"),
    "utf-16 without a mark": OBJECT.encode("utf-16-le"),
    "utf-32": OBJECT.encode("utf-32"),
    "utf-32 without a mark": OBJECT.encode("utf-32-be"),
    "utf-8 with a mark": OBJECT.encode("utf-8-sig"),
    "latin-1": '{"token": "é"}'.encode("latin-1"),
    "a name twice": b'{"token": "x", "token": "y"}',
    "a name twice, deep": b'{"token": [{"a": {"b": 1, "b": 1}}]}',
    "a name twice, escaped": b'{"token": "x", "t\\u006fken": "y"}',
}


def operations(http: httpx.Client, kind: str) -> list[tuple[str, str]]:
    """Method and path of every operation that takes JSON ("body") or every GET ("get")."""
    found = [
        (method.upper(), path.replace("{user_id}", str(uuid4())).replace("{session_id}", "7"))
        for document in DOCUMENTS
        for path, methods in http.get(document).json()["paths"].items()
        for method, operation in methods.items()
        if (method == "get" if kind == "get" else _takes_json(operation))
    ]
    assert len(found) > 5
    return found


def _takes_json(operation: dict[str, Any]) -> bool:
    return "application/json" in operation.get("requestBody", {}).get("content", {})


@pytest.mark.parametrize("body", NOT_STRICT.values(), ids=NOT_STRICT.keys())
def test_every_call_takes_utf8_json_with_distinct_names_alone(
    http: httpx.Client, body: bytes
) -> None:
    """Two parsers could read such a body differently; what checks before us must see what we do."""
    for method, path in operations(http, "body"):
        answer = http.request(method, path, content=body, headers=JSON)

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), path


def test_head_answers_wherever_get_does(http: httpx.Client) -> None:
    """The headers are those of GET (RFC 9110 §9.3.2), without a body."""
    for _, path in [*operations(http, "get"), ("GET", "/api/token/docs"), ("GET", DOCUMENTS[0])]:
        got, head = http.get(path), http.head(path)

        assert (head.status_code, head.content) == (got.status_code, b""), path
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert head.headers.get(name) == got.headers.get(name), path
    assert http.head("/.well-known/jwks.json").status_code == 200
    assert http.head("/api/token/obtain").status_code == 405


def test_no_cache_keeps_an_answer_about_a_person(
    http: httpx.Client, obtain: Callable[..., httpx.Response], add_user: Callable[..., User]
) -> None:
    """Nothing has to say so by itself: what says nothing is not stored."""
    add_user()
    tokens = obtain()
    access = {"Authorization": f"Bearer {tokens.json()['access']}"}
    answers = [
        tokens,
        http.get("/api/token/me", headers=access),
        http.get("/api/token/me"),
        http.get("/api/token/sessions", headers=access),
        http.post("/api/token/verify", json={"token": tokens.json()["access"]}),
        http.post("/api/token/refresh", json={"refresh": tokens.json()["refresh"]}),
    ]

    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store", answer.url


def test_every_answer_has_a_policy(http: httpx.Client) -> None:
    """Nothing in a JSON answer may run, if a browser shows it; pages load files of ours alone."""
    for path in ("/.well-known/jwks.json", "/api/token/me", "/nowhere", DOCUMENTS[0]):
        policy = http.get(path).headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; frame-ancestors 'none'", path

    policy = http.get("/api/token/docs").headers["Content-Security-Policy"]
    assert "script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy


def test_public_answers_may_be_kept(http: httpx.Client) -> None:
    """Other services ask for the metadata and the keys again and again."""
    for path in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"):
        assert http.get(path).headers["Cache-Control"].startswith("public, max-age=")


def test_a_body_that_is_read_as_a_form_or_as_json_is_strict_as_json(http: httpx.Client) -> None:
    """`revoke` takes both; a form in another encoding or with a name twice is refused as well."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    for body in (b"token=x&token=y", "token=é".encode("latin-1"), "token=x".encode("utf-16")):
        answer = http.post("/api/token/revoke", content=body, headers=form)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert http.post("/api/token/revoke", content=json.dumps({"token": "x"})).status_code == 200

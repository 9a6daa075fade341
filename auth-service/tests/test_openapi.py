"""The OpenAPI documents: what a client generated from them relies on."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from auth_service.users.accounts import User
from tests.conftest import PASSWORD

PUBLIC = "/api/token/openapi.json"
INTERNAL = "/internal/openapi.json"


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every operation of a document with its method and path."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_public_document_shows_one_way_to_authorize(http: httpx.Client) -> None:
    """The Authorize window has one field, `jwtAuth`."""
    document = http.get(PUBLIC).json()

    schemes = document["components"]["securitySchemes"]
    assert list(schemes) == ["jwtAuth"]
    assert schemes["jwtAuth"] | {"description": ""} == {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "",
    }
    assert {path.split("/")[1] for path in document["paths"]} == {"api", ".well-known"}


@pytest.mark.parametrize("address", [PUBLIC, INTERNAL])
def test_every_error_is_documented_with_an_example(http: httpx.Client, address: str) -> None:
    """Clients can be written from the document alone."""
    document = http.get(address).json()
    assert len(operations(document)) >= 9
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) < 400 or name == "GET /readyz":
                continue
            examples = answer["content"]["application/json"]["examples"]
            assert examples, (name, status)
            for code, example in examples.items():
                assert example["value"]["code"] == code
            assert ("WWW-Authenticate" in answer.get("headers", {})) == (status == "401")
            assert ("Retry-After" in answer.get("headers", {})) == (status in {"429", "503"})


def _account_calls(header: dict[str, str]) -> list[tuple[str, str, Any, dict[str, str]]]:
    change = {"new_email": "ada@example.com", "current_password": PASSWORD}
    calls: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "sign-up", {"email": "ada@example.org"}, {}),
        ("POST", "sign-up", {"email": "ada"}, {}),
        ("POST", "sign-up/confirm", {"token": "x", "username": "b", "password": PASSWORD}, {}),
        ("POST", "verify-email", None, header),
        ("POST", "verify-email", None, {}),
        ("POST", "verify-email/confirm", {"token": "x"}, {}),
        ("POST", "reset-password", {"email": "ada@example.org"}, {}),
        ("POST", "reset-password/confirm", {"token": "x", "new_password": PASSWORD}, {}),
        ("POST", "change-email", change, header),
        ("POST", "change-email", change, {}),
        ("POST", "change-email/confirm", {"token": "x"}, {}),
        ("POST", "change-email/confirm", {"token": 7}, {}),
    ]
    return [
        (method, f"/api/account/{path}", body, headers) for method, path, body, headers in calls
    ]


def test_responses_are_documented(
    http: httpx.Client,
    add_user: Callable[..., User],
    obtain: Callable[..., httpx.Response],
) -> None:
    """A generated client could not handle a status that is not documented."""
    add_user()
    tokens = obtain().json()
    header = {"Authorization": f"JWT {tokens['access']}"}
    described = dict(operations(http.get(PUBLIC).json()))
    calls: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "/api/token/obtain", {"username": "ada", "password": PASSWORD}, {}),
        ("POST", "/api/token/obtain", {"username": "ada", "password": "x"}, {}),
        ("POST", "/api/token/obtain", {}, {}),
        ("POST", "/api/token/refresh", {"refresh": tokens["refresh"]}, {}),
        ("POST", "/api/token/refresh", {"refresh": "x"}, {}),
        ("POST", "/api/token/verify", {"token": tokens["access"]}, {}),
        ("POST", "/api/token/verify", {"token": "x"}, {}),
        ("POST", "/api/token/verify", {"token": "x" * 9000}, {}),
        ("POST", "/api/token/revoke", {"token": "x"}, {}),
        ("POST", "/api/token/revoke", {}, {}),
        ("GET", "/api/token/me", None, header),
        ("GET", "/api/token/me", None, {}),
        ("POST", "/api/token/password", {"current_password": "x", "new_password": "y"}, header),
        ("POST", "/api/token/password", {}, header),
        ("GET", "/api/token/second-factor", None, header),
        ("POST", "/api/token/second-factor", {"challenge": "x", "code": "123456"}, {}),
        ("POST", "/api/token/second-factor", {"challenge": "x"}, {}),
        ("POST", "/api/token/second-factor/enrol", {"current_password": "x"}, header),
        ("POST", "/api/token/second-factor/confirm", {"code": "123456"}, header),
        ("POST", "/api/token/second-factor/recovery-codes", {}, header),
        ("POST", "/api/token/second-factor/disable", {"current_password": PASSWORD}, header),
        ("GET", "/api/token/sessions", None, header),
        ("GET", "/api/token/sessions", None, {}),
        ("DELETE", "/api/token/sessions/x", None, header),
        ("DELETE", f"/api/token/sessions/{uuid4()}", None, header),
        ("POST", "/api/token/sessions/end-others", None, header),
        ("POST", "/api/token/revoke-all", None, header),
        ("POST", "/api/token/revoke-all", None, {}),
        *_account_calls(header),
        ("GET", "/.well-known/jwks.json", None, {}),
        ("GET", "/.well-known/oauth-authorization-server", None, {}),
    ]
    for method, path, body, headers in calls:
        answer = http.request(method, path, json=body, headers=headers)
        template = re.sub("(?<=sessions/)(?!end-others).+", "{session_id}", path)
        announced = described.pop(f"{method} {template}", None) or _again(http, method, template)
        assert str(answer.status_code) in announced["responses"], (method, path)
    assert described == {}


def _again(http: httpx.Client, method: str, path: str) -> dict[str, Any]:
    operation: dict[str, Any] = http.get(PUBLIC).json()["paths"][path][method.lower()]
    return operation


def test_the_metadata_has_every_address(http: httpx.Client) -> None:
    """RFC 8414: a verifier that knows the issuer finds the keys."""
    metadata = http.get("/.well-known/oauth-authorization-server").json()

    assert metadata["issuer"] == "http://localhost:8000"
    assert metadata["jwks_uri"] == "http://localhost:8000/.well-known/jwks.json"
    assert metadata["revocation_endpoint"] == "http://localhost:8000/api/token/revoke"
    assert metadata["response_types_supported"] == []
    path = metadata["jwks_uri"].removeprefix("http://localhost:8000")
    assert http.get(path).json()["keys"]

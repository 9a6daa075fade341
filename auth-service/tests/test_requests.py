"""Invalid requests: always a clear refusal, never a 5xx."""

import json
from collections.abc import Callable

import httpx
import pytest

from auth_service.users.accounts import User
from tests.conftest import PASSWORD

JSON = {"Content-Type": "application/json"}
POSTS = ["obtain", "refresh", "verify", "revoke"]


@pytest.mark.parametrize("endpoint", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"\xff\xfe",
        b"NaN",
        b'{"username": "ada", "username": "root", "password": "x", "token": "a", "token": "b"}',
        b'{"username": NaN}',
        b"[" * 8000,
        b'{"a":' * 1300,
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_malformed_bodies_are_refused(http: httpx.Client, endpoint: str, body: bytes) -> None:
    """Broken JSON, duplicate names and deep nesting are a 400."""
    answer = http.post(f"/api/token/{endpoint}", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["code"] in {"malformed_body", "validation_error"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", None),
        ("username", 7),
        ("username", ""),
        ("username", "a" * 151),
        ("username", "ada\0"),
        ("username", "\ud800"),
        ("password", None),
        ("password", ["x"]),
        ("password", "x" * 1025),
        ("password", "\udfff"),
    ],
)
def test_invalid_fields_are_named(http: httpx.Client, field: str, value: object) -> None:
    """The response names the field and does not repeat its value."""
    body = {"username": "ada", "password": PASSWORD, field: value}

    answer = http.post("/api/token/obtain", content=json.dumps(body), headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_error"
    assert list(answer.json()["errors"]) == [field]
    assert PASSWORD not in answer.text
    assert "xxxx" not in answer.text


def test_a_missing_field_is_named(http: httpx.Client) -> None:
    """The response names the password if it was not sent."""
    answer = http.post("/api/token/obtain", json={"username": "ada"})
    assert answer.json()["errors"] == {"password": ["Field required"]}


def test_a_password_may_contain_nul(
    obtain: Callable[..., httpx.Response], add_user: Callable[..., User]
) -> None:
    """Passwords are used unmodified, so a NUL neither ends one nor breaks anything."""
    add_user()
    assert obtain(password=f"{PASSWORD}\0").status_code == 401


@pytest.mark.parametrize("endpoint", POSTS)
def test_bodies_beyond_eight_kibibytes_are_refused(http: httpx.Client, endpoint: str) -> None:
    """With Content-Length or in chunks, a large body is a 413."""
    large = json.dumps({"token": "x" * 9000}).encode()

    announced = http.post(f"/api/token/{endpoint}", content=large, headers=JSON)
    streamed = http.post(f"/api/token/{endpoint}", content=iter([large]), headers=JSON)

    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert announced.json()["code"] == "body_too_large"


def test_a_form_is_no_json(http: httpx.Client) -> None:
    """The response says which format is expected."""
    answer = http.post("/api/token/obtain", data={"username": "ada", "password": PASSWORD})

    assert answer.status_code == 400
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/token/obtain", 405, "method_not_allowed"),
        ("GET", "/api/token/nothing", 404, "not_found"),
        ("POST", "/livez", 405, "method_not_allowed"),
    ],
)
def test_unknown_paths_and_methods_have_the_same_shape(
    http: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    """Clients can parse every error."""
    answer = http.request(method, path)

    assert answer.status_code == status
    assert answer.json()["code"] == code


def test_every_response_has_a_request_id(http: httpx.Client) -> None:
    """A caller's id is kept when it is harmless, and replaced when it is not."""
    kept = http.get("/livez", headers={"X-Request-Id": "order-66"})
    replaced = http.get("/livez", headers={"X-Request-Id": 'x" injected'})

    assert kept.headers["X-Request-Id"] == "order-66"
    assert len(replaced.headers["X-Request-Id"]) == 32

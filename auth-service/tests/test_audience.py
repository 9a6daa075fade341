"""Tokens for some services alone: `audience` at obtain and refresh."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from auth_service.settings import SettingsError, load_settings
from auth_service.users.accounts import User
from tests.conftest import PASSWORD, Service

ALL = ["auth-service", "billing-service"]
AddUser = Callable[..., User]


def audience_of(answer: httpx.Response) -> list[str]:
    """Return `aud` of the access token in an answer."""
    assert answer.status_code == 200, answer.text
    claims = jwt.decode(answer.json()["access"], options={"verify_signature": False})
    audience: list[str] = claims["aud"]
    return audience


@pytest.fixture
def obtain_for(http: httpx.Client, add_user: AddUser) -> Callable[[Any], httpx.Response]:
    """Log in for some services."""
    add_user()
    credentials = {"username": "ada", "password": PASSWORD}
    return lambda audience: http.post(
        "/api/token/obtain", json={**credentials, "audience": audience}
    )


@pytest.fixture
def refresh_for(http: httpx.Client) -> Callable[..., httpx.Response]:
    """Refresh for some services."""
    return lambda token, audience=None: http.post(
        "/api/token/refresh", json={"refresh": token, "audience": audience}
    )


@pytest.fixture
def default_is_auth_alone(service: Service) -> Iterator[None]:
    """A service with TOKEN_DEFAULT_AUDIENCES=auth-service."""
    state = service.state
    default = ("auth-service",)
    service.app.state.auth = replace(
        state,
        issuer=replace(state.issuer, default_audiences=default),
        families=replace(state.families, default_audience=default),
    )
    yield
    service.app.state.auth = state


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (None, ALL),
        ("billing-service", ["billing-service"]),
        (["billing-service"], ["billing-service"]),
        (["billing-service", "auth-service", "billing-service"], ALL),
    ],
)
def test_a_session_is_for_the_services_that_were_asked(
    obtain_for: Callable[[Any], httpx.Response],
    refresh_for: Callable[..., httpx.Response],
    asked: str | list[str] | None,
    named: list[str],
) -> None:
    """One name or a list; without it, all as before. Refreshes go on with the same."""
    obtained = obtain_for(asked)
    assert audience_of(obtained) == named
    refreshed = refresh_for(obtained.json()["refresh"])
    assert audience_of(refreshed) == named


def test_a_refresh_narrows_one_access_token(
    obtain_for: Callable[[Any], httpx.Response], refresh_for: Callable[..., httpx.Response]
) -> None:
    """The next refresh can name the session's other services again (RFC 6749 §6)."""
    narrow = refresh_for(obtain_for(ALL).json()["refresh"], "billing-service")
    assert audience_of(narrow) == ["billing-service"]
    other = refresh_for(narrow.json()["refresh"], ["auth-service"])
    assert audience_of(other) == ["auth-service"]
    assert audience_of(refresh_for(other.json()["refresh"])) == ALL


@pytest.mark.usefixtures("default_is_auth_alone")
def test_a_refresh_never_widens_and_uses_up_nothing(
    obtain_for: Callable[[Any], httpx.Response], refresh_for: Callable[..., httpx.Response]
) -> None:
    """A session for some services, asked for or by default, never becomes one for others."""
    for granted in (None, ["auth-service"]):
        token = obtain_for(granted).json()["refresh"]
        for wider in (ALL, "billing-service", "no-such-service"):
            refused = refresh_for(token, wider)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_audience")
            assert list(refused.json()["errors"]) == ["audience"]
        answer = refresh_for(token)
        assert audience_of(answer) == ["auth-service"]
        # Also within the grace, when the token has been used.
        assert refresh_for(token, ALL).json()["code"] == "invalid_audience"
        assert refresh_for(token).json()["refresh"] == answer.json()["refresh"]


@pytest.mark.usefixtures("default_is_auth_alone")
def test_the_default_can_be_narrower_than_what_may_be_asked(
    obtain_for: Callable[[Any], httpx.Response], refresh_for: Callable[..., httpx.Response]
) -> None:
    """TOKEN_DEFAULT_AUDIENCES: a client that needs another service has to say so."""
    assert audience_of(obtain_for(None)) == ["auth-service"]
    answer = obtain_for(ALL)
    assert audience_of(answer) == ALL
    assert audience_of(refresh_for(answer.json()["refresh"])) == ALL


@pytest.mark.parametrize("asked", ["no-such-service", ["auth-service", "other"], "AUTH-SERVICE"])
def test_an_unknown_service_is_refused_before_the_password(
    http: httpx.Client, asked: str | list[str]
) -> None:
    """A stable code that names the field; no log-in is counted."""
    body = {"username": "ada", "password": "a wrong guess", "audience": asked}
    answers = [http.post("/api/token/obtain", json=body) for _ in range(7)]

    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json()["code"] == "invalid_audience"
    assert list(answers[0].json()["errors"]) == ["audience"]


@pytest.mark.parametrize("asked", [[], "", [""], 7, {"a": 1}, [["auth-service"]], ["x"] * 21])
def test_an_audience_is_a_name_or_a_list_of_names(
    obtain_for: Callable[[Any], httpx.Response], asked: object
) -> None:
    """Anything else is a validation error."""
    answer = obtain_for(asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


def test_a_token_for_another_service_is_not_for_this_one(
    http: httpx.Client, obtain_for: Callable[[Any], httpx.Response]
) -> None:
    """Its holder cannot read or change the account; `verify` tells its service about it."""
    access = obtain_for("billing-service").json()["access"]
    headers = {"Authorization": f"Bearer {access}"}

    refused = [
        http.get("/api/token/me", headers=headers),
        http.get("/api/token/sessions", headers=headers),
        http.post("/api/token/revoke-all", headers=headers),
    ]
    assert [(a.status_code, a.json()["code"]) for a in refused] == [(401, "token_not_valid")] * 3
    verified = http.post("/api/token/verify", json={"token": access})
    assert (verified.status_code, verified.json()["aud"]) == (200, ["billing-service"])


def test_a_new_password_keeps_the_audience(
    http: httpx.Client,
    obtain_for: Callable[[Any], httpx.Response],
    refresh_for: Callable[..., httpx.Response],
) -> None:
    """The new session is not for more services than the token that asked for it."""
    access = obtain_for("auth-service").json()["access"]
    body = {"current_password": PASSWORD, "new_password": "another horse battery"}
    answer = http.post(
        "/api/token/password", json=body, headers={"Authorization": f"Bearer {access}"}
    )
    assert audience_of(answer) == ["auth-service"]
    assert refresh_for(answer.json()["refresh"], ALL).json()["code"] == "invalid_audience"


def test_a_service_that_was_removed_gets_no_more_tokens(
    service: Service,
    obtain_for: Callable[[Any], httpx.Response],
    refresh_for: Callable[..., httpx.Response],
) -> None:
    """Sessions for it end; others go on without it."""
    alone, both = (obtain_for(a).json()["refresh"] for a in ("billing-service", ALL))
    state = service.state
    left = ("auth-service",)
    service.app.state.auth = replace(
        state, issuer=replace(state.issuer, audiences=left, default_audiences=left)
    )
    try:
        assert refresh_for(alone).json()["code"] == "token_not_valid"
        assert audience_of(refresh_for(both)) == ["auth-service"]
    finally:
        service.app.state.auth = state


@pytest.mark.parametrize("value", ["shipping-service", "auth-service,shipping-service", ","])
def test_the_default_is_checked(environ: dict[str, str], value: str) -> None:
    """A name that no token may carry stops the start."""
    with pytest.raises(SettingsError, match="TOKEN_DEFAULT_AUDIENCES must name services of"):
        load_settings({**environ, "TOKEN_DEFAULT_AUDIENCES": value})

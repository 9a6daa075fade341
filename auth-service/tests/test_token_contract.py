"""The documented way for another service to verify our tokens, run as it is documented."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from auth_service.users.accounts import User
from tests.conftest import Service

PAGE = Path(__file__).resolve().parents[2] / "docs" / "token-contract.md"
Verify = Callable[[str], dict[str, Any]]


@pytest.fixture
def verify(service: Service) -> Verify:
    """Run the page's Python example against the running service."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, "the page has lost its example"
    example = textwrap.dedent(found[1])
    assert example.count("shipping-service") == 1
    example = example.replace("shipping-service", "billing-service")
    example = example.replace('f"{ISSUER}/.well-known', f'"{service.url}/.well-known')
    namespace: dict[str, Any] = {}
    exec(example, namespace)
    documented: Verify = namespace["verify_access_token"]
    return documented


def test_the_documented_example_accepts_an_access_token(
    verify: Verify, obtain: Callable[..., httpx.Response], add_user: Callable[..., User]
) -> None:
    """A developer can copy the example."""
    user = add_user()

    assert verify(obtain().json()["access"])["sub"] == str(user.id)


def test_the_documented_example_refuses_other_tokens(
    verify: Verify, obtain: Callable[..., httpx.Response], add_user: Callable[..., User]
) -> None:
    """A refresh token, and a valid token whose payload was changed."""
    add_user()
    tokens = obtain().json()
    header, _, signature = tokens["access"].split(".")
    payload = tokens["refresh"].split(".")[1]

    for hostile in (tokens["refresh"], f"{header}.{payload}.{signature}"):
        with pytest.raises(jwt.InvalidTokenError):
            verify(hostile)


def test_the_page_names_every_claim_of_a_token(
    obtain: Callable[..., httpx.Response], add_user: Callable[..., User]
) -> None:
    """Other services can rely only on documented claims."""
    add_user(is_staff=True, is_superuser=True)
    page = PAGE.read_text()
    claims = {
        name
        for token in obtain().json().values()
        for name in jwt.decode(token, options={"verify_signature": False})
    }

    assert len(claims) > 12
    assert not [name for name in claims if f"`{name}`" not in page]

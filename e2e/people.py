"""People who use the system through the gateway, with a token of their own."""

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from dev.demo.journey import verification_address
from dev.demo.visitor import Visitor

ADMIN_NAME, ADMIN_PASSWORD = "admin", "qweqweqwE1"
PASSWORD = "correct horse battery staple 41"
COMPLETE, FAIL = "Complete authentication", "Fail authentication"

# Everything here is plain HTTP, and loading certificates for each person takes time.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Person:
    """A user of the system with an access token, talking to the gateway."""

    id: str
    username: str
    access: str
    refresh: str
    client: httpx.Client = field(repr=False)

    def get(self, path: str, **request: Any) -> httpx.Response:
        """GET with this person's token."""
        return self.client.get(path, **request)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:
        """POST JSON with this person's token."""
        return self.client.post(path, json=body or {}, **more)

    def subscribe(self, number: str = "4242424242424242", **changes: Any) -> httpx.Response:
        """Subscribe with one of Stripe's test cards."""
        body = {
            "subscription_product": "basic_subscription",
            "card_number": number,
            "card_expiration_month": 12,
            "card_expiration_year": 2030,
            "card_cvc": 999,
        }
        return self.post("/api/subscriptions/subscribe", body | changes)

    def status(self) -> dict[str, Any]:
        """The subscription as the API shows it."""
        answer = self.get("/api/subscriptions/status")
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


def with_tokens(
    tokens: Mapping[str, str], *, base_url: str, username: str, user_id: str = ""
) -> Person:
    """A person who has just obtained tokens.

    Args:
        tokens: The answer of `/api/token/obtain`.
        base_url: The gateway.
        username: The name they logged in with.
        user_id: Their id; by default the token's `id` claim.
    """
    client = httpx.Client(
        base_url=base_url,
        headers={"Authorization": f"JWT {tokens['access']}"},
        timeout=40,
        trust_env=False,
        verify=_NO_CERTIFICATES,
    )
    user_id = user_id or claims(tokens["access"])["id"]
    return Person(user_id, username, tokens["access"], tokens["refresh"], client)


def complete_3ds(person: Person, *, button: str) -> None:
    """Complete or fail 3-D Secure on the bank's page.

    Args:
        person: A person whose subscription waits for it.
        button: The text of the button to press.
    """
    with Visitor(str(person.client.base_url)) as visitor:
        page = visitor.page(verification_address(person.status()))
        if page.form(button=button) is None:
            page = visitor.page(page.link(holding="/hosted/authenticate/") or "")
        form = page.form(button=button)
        assert form is not None, "the page has no such button"
        assert visitor.submit(form, {}, button=button).status in (200, 302, 303)


def claims(token: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    middle = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=="))
    return decoded

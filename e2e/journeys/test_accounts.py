"""People who own their accounts: sign up, verify, reset, change the address, all by mail."""

import html
import re
import uuid

import httpx

from e2e.people import PASSWORD
from e2e.system import RunningSystem
from e2e.waiting import until

NEW_PASSWORD = "another correct horse battery 42"


def link_to(running: RunningSystem, recipient: str, subject: str) -> str:
    """The link of a mail on the page that shows the mails in `local`."""
    found: str = until(lambda: _find_link(running, recipient, subject))
    assert found.startswith(f"{running.url}/account/")
    return found


def _find_link(running: RunningSystem, recipient: str, subject: str) -> str:
    page = running.client.get(f"{running.url}/account/mail").text
    for article in page.split("<article>")[1:]:
        if subject in article and f"To {recipient}," in article:
            link = re.search(r'href="([^"]+)"', article)
            return html.unescape(link[1]) if link else ""
    return ""


def token_of(link: str) -> str:
    """The token of a link."""
    return link.partition("?token=")[2]


def call(running: RunningSystem, path: str, body: dict[str, str], **more: str) -> httpx.Response:
    """Call the API through the gateway."""
    return running.client.post(f"{running.url}/api/account/{path}", json=body, headers=more)


def test_an_account_from_sign_up_to_a_new_address(running: RunningSystem) -> None:
    """No one but its owner does anything."""
    name = f"own-{uuid.uuid4().hex[:8]}"
    first, second = f"{name}@example.org", f"{name}@example.com"

    assert call(running, "sign-up", {"email": first}).status_code == 202
    token = token_of(link_to(running, first, "Create your"))
    account = {"token": token, "username": name, "password": PASSWORD}
    created = call(running, "sign-up/confirm", account)
    assert (created.status_code, created.json()["email"]) == (201, first)
    person = running.log_in(name, PASSWORD)

    assert call(running, "reset-password", {"email": first}).status_code == 202
    token = token_of(link_to(running, first, "Reset your password"))
    reset = {"token": token, "new_password": NEW_PASSWORD}
    assert call(running, "reset-password/confirm", reset).status_code == 204
    refused = running.client.post(
        f"{running.url}/api/token/refresh", json={"refresh": person.refresh}
    )
    assert refused.status_code == 401
    person = running.log_in(name, NEW_PASSWORD)

    change = {"new_email": second, "current_password": NEW_PASSWORD}
    asked = call(running, "change-email", change, Authorization=f"Bearer {person.access}")
    assert asked.status_code == 202
    token = token_of(link_to(running, second, "Confirm your new"))
    assert call(running, "change-email/confirm", {"token": token}).status_code == 204
    me = person.get("/api/token/me").json()
    assert (me["email"], bool(me["email_verified_at"])) == (second, True)


def test_the_pages_keep_the_token_of_a_link(running: RunningSystem) -> None:
    """No referrer, no copy in a cache, no script, and no address in the gateway's log."""
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    call(running, "sign-up", {"email": email})
    link = link_to(running, email, "Create your")
    page = running.client.get(link)

    assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
    logs = "".join(running.log(name) for name in ("gateway", "auth-service", "auth-worker"))
    assert token_of(link) not in logs
    assert email not in logs

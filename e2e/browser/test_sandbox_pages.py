"""The sandbox's own pages in a real browser: the dashboard, and what customers see."""

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.browser.conftest import PATIENCE

ROOT = Path(__file__).parent.parent.parent
SANDBOX = ROOT / "stripe-sandbox"
PRICE = "price_sandbox_basic"
ASKS_FOR_3DS = "pm_card_authenticationRequired"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


class Sandbox:
    """A sandbox of our own, and the objects that a test puts into it."""

    def __init__(self, url: str, api: httpx.Client) -> None:
        self.url = url
        self._api = api

    def post(self, path: str, **sent: str) -> Any:
        """Create or change an object."""
        answer = self._api.post(path, data=sent)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        """Read an object."""
        return self._api.get(path).json()

    def subscription(self, card: str = "pm_card_visa", **customer: str) -> Any:
        """A subscription of a new customer."""
        default = {"invoice_settings[default_payment_method]": card}
        owner = self.post("/customers", payment_method=card, **default, **customer)
        wanted = {"customer": owner["id"], "items[0][price]": PRICE}
        return self.post("/subscriptions", **wanted)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A running sandbox with the demo's products."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    program = SANDBOX / ".venv" / "bin" / "stripe-sandbox"
    command = [str(program), "serve", "--port", str(port), "--seed-file", "seeds/demo.json"]
    environment = {**os.environ, "SANDBOX_PUBLIC_URL": url}
    process = subprocess.Popen(command, cwd=SANDBOX, env=environment)
    try:
        _wait_until_it_answers(url)
        key = {"Authorization": "Bearer sk_test_sandbox"}
        with httpx.Client(base_url=f"{url}/v1", headers=key) as api:
            yield Sandbox(url, api)
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, sandbox: Sandbox) -> Iterator[Open]:
    """Opens a page of the sandbox; nothing may be asked of another machine or complained about."""
    contexts: list[Any] = []
    requested: list[str] = []
    complaints: list[str] = []

    def open_(path: str, *, size: dict[str, int] = DESKTOP, scheme: str = "light") -> Page:
        context = browser.new_context(
            base_url=sandbox.url,
            viewport=size,  # type: ignore[arg-type]  # a plain dict
            color_scheme=scheme,  # type: ignore[arg-type]  # a plain string
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: requested.append(request.url))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    hosts = {urlsplit(url).hostname for url in requested}
    assert hosts == {"127.0.0.1"}
    # A declined card is a 402, which Chromium reports as if it were a mistake.
    assert [words for words in complaints if "status of 402" not in words] == []


def test_a_developer_completes_authentication(opened: Open, sandbox: Sandbox) -> None:
    """The home page shows who waits for 3-D Secure, and one press lets them go on."""
    subscription = sandbox.subscription(ASKS_FOR_3DS, name="Katherine Johnson")
    page = opened("/")
    waiting = page.locator("article.waiting", has_text="Katherine Johnson")

    waiting.get_by_role("button", name="Complete authentication").click()

    expect(page.get_by_role("status")).to_have_text("Authentication completed.")
    expect(waiting).to_have_count(0)
    assert sandbox.get(f"/subscriptions/{subscription['id']}")["status"] == "active"


def test_a_developer_fails_authentication(opened: Open, sandbox: Sandbox) -> None:
    """The other button refuses it, from the subscription's page."""
    subscription = sandbox.subscription(ASKS_FOR_3DS)
    page = opened(f"/subscriptions/{subscription['id']}")

    page.get_by_role("button", name="Fail authentication").click()

    expect(page.get_by_role("status")).to_contain_text("failed")
    assert sandbox.get(f"/subscriptions/{subscription['id']}")["status"] == "incomplete"


def test_a_developer_finds_an_object_and_its_events(opened: Open, sandbox: Sandbox) -> None:
    """Search leads to the customer, a click to the subscription, and its events are there."""
    subscription = sandbox.subscription(name="Grace Hopper", email="grace@example.com")
    page = opened("/")

    page.get_by_role("searchbox").fill("grace@example.com")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace Hopper")
    # The whole row is the link, not just the name.
    page.locator("tr", has_text="$10.00 / month").get_by_text("Active").click(force=True)

    expect(page).to_have_url(re.compile(f"/subscriptions/{subscription['id']}$"))
    expect(page.get_by_text("customer.subscription.created")).to_be_visible()
    expect(page.locator("pre")).to_contain_text(f'"id": "{subscription["id"]}"')


def test_a_developer_advances_a_clock(opened: Open, sandbox: Sandbox) -> None:
    """A button moves the clock a day, a field moves it to a chosen time."""
    clock = sandbox.post("/test_helpers/test_clocks", frozen_time="1767225600", name="Renewals")
    page = opened(f"/clocks/{clock['id']}")

    page.get_by_role("button", name="+ 1 day").click()
    expect(page.get_by_role("status")).to_have_text("The clock was advanced.")
    _reload_until(page, "02 Jan 2026, 00:00")
    page.get_by_label("To (UTC)").fill("2026-02-03T04:05")
    page.get_by_role("button", name="Advance the clock").click()

    _reload_until(page, "03 Feb 2026, 04:05")


def _reload_until(page: Page, words: str) -> None:
    """A clock arrives a moment after the answer, and the page has no script that would notice."""
    deadline = time.monotonic() + 60
    while page.locator(".facts", has_text=words).count() == 0:
        assert time.monotonic() < deadline, page.locator(".facts").inner_text()
        page.goto(urlsplit(page.url).path)


def test_a_developer_resends_an_event(opened: Open, sandbox: Sandbox) -> None:
    """The event's page has the button and the log of deliveries."""
    types = {"enabled_events[]": "product.created"}
    endpoint = sandbox.post("/webhook_endpoints", url="http://127.0.0.1:9/gone", **types)
    product = sandbox.post("/products", name="Resent")
    (event,) = sandbox.get("/events?type=product.created&limit=1")["data"]
    page = opened(f"/events/{event['id']}")
    rows = page.locator("tbody tr", has_text="127.0.0.1:9")
    expect(rows).to_have_count(1)

    page.get_by_role("button", name="Resend event").click()

    expect(page.get_by_role("status")).to_contain_text("on its way")
    expect(rows).to_have_count(2)
    assert event["data"]["object"]["id"] == product["id"]
    assert endpoint["status"] == "enabled"


def test_a_customer_authenticates_on_a_phone(opened: Open, sandbox: Sandbox) -> None:
    """From the invoice of the mail to the bank's page and back, with a thumb."""
    subscription = sandbox.subscription(ASKS_FOR_3DS)
    invoice = sandbox.get(f"/invoices/{subscription['latest_invoice']}")
    page = opened(urlsplit(invoice["hosted_invoice_url"]).path, size=PHONE)

    page.get_by_role("link", name="Authenticate the payment").click()
    page.get_by_role("button", name="Complete authentication").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Authentication completed")
    page.get_by_role("link", name="See the invoice").click()
    expect(page.locator(".badge")).to_have_text("Paid")


def test_a_customer_checks_out(opened: Open, sandbox: Sandbox) -> None:
    """A declined card is explained on the page, another one completes the purchase."""
    shop = f"{sandbox.url}/healthz?session={{CHECKOUT_SESSION_ID}}"
    items = {"line_items[0][price]": PRICE, "line_items[0][quantity]": "1"}
    session = sandbox.post("/checkout/sessions", mode="subscription", success_url=shop, **items)
    page = opened(urlsplit(session["url"]).path)

    page.get_by_label("Email").fill("shopper@example.com")
    page.get_by_label("Card number").fill("4000000000000002")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    page.get_by_label("Email").fill("shopper@example.com")
    page.get_by_label("Card number").fill("4242424242424242")
    page.get_by_role("button", name="Subscribe").click()

    expect(page).to_have_url(re.compile(f"session={session['id']}$"))
    assert sandbox.get(f"/checkout/sessions/{session['id']}")["status"] == "complete"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_page_is_wider_than_the_screen(
    opened: Open, sandbox: Sandbox, size: dict[str, int], scheme: str
) -> None:
    """No page scrolls sideways, and text has enough contrast in both colour schemes."""
    long = "A customer with a name that goes on and on " * 3 + "x" * 80
    subscription = sandbox.subscription(ASKS_FOR_3DS, name=long)
    page = opened("/", size=size, scheme=scheme)
    paths = ["/", "/events", "/deliveries", "/faults", "/clocks", "/products", "/payments"]
    paths += [f"/subscriptions/{subscription['id']}", f"/customers/{subscription['customer']}"]
    paths += [f"/hosted/invoice/{subscription['latest_invoice']}"]

    found = {}
    for path in paths:
        page.goto(path)
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        found[path] = (page.evaluate(too_wide), page.evaluate(_CONTRAST) >= 4.5)

    assert found == dict.fromkeys(paths, (False, True))


# The contrast of the running text with its ground. Source: WCAG 2.2, relative luminance.
_CONTRAST = """() => {
  const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const luminance = (color) => {
    probe.fillStyle = color; probe.fillRect(0, 0, 1, 1);
    const parts = [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
      const c = part / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (!/^rgba\\(.*, 0\\)$|^transparent$/.test(color)) return color;
    }
    return 'white';
  };
  const texts = [...document.querySelectorAll('h1, h2, td, dd, dt, .sub, .badge, button, a')];
  return Math.min(...texts.filter((e) => e.textContent.trim()).map((e) => {
    const pair = [luminance(getComputedStyle(e).color), luminance(ground(e))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  }));
}"""


def test_another_site_cannot_press_the_buttons(browser: Browser, sandbox: Sandbox) -> None:
    """A page elsewhere that posts the form in a visitor's browser is refused."""
    subscription = sandbox.subscription(ASKS_FOR_3DS)
    home = httpx.get(f"{sandbox.url}/subscriptions/{subscription['id']}").text
    found = re.search(r'action="(/payments/\w+/authenticate)"', home)
    assert found
    form = f'<form method="post" action="{sandbox.url}{found[1]}">'
    form += '<button name="outcome" value="complete">You have won</button></form>'
    with _Site(form) as elsewhere:
        page = browser.new_page()
        page.goto(elsewhere)
        page.get_by_role("button").click()

        expect(page.get_by_text("sent from another site")).to_be_visible()
        page.close()

    assert sandbox.get(f"/subscriptions/{subscription['id']}")["status"] == "incomplete"


class _Site:
    """A web site with one page, on another port and therefore another origin."""

    def __init__(self, html: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- likewise
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://localhost:{self._server.server_port}/"

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

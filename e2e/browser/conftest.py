"""A real Chromium that records every address it requests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from dev.programs.chromium import executable
from e2e.system import RunningSystem

# In milliseconds. Other suites of `make test` share the machine.
PATIENCE = 60_000
# Chromium would look for updates and its own hosts, which no test of ours is about.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]


@dataclass
class Visit:
    """A page in the browser, and what it asked for and complained about."""

    page: Page
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def note_request(self, request: Request) -> None:
        """Remember an address."""
        self.requested.append(request.url)

    def note_message(self, message: ConsoleMessage) -> None:
        """Remember an error in the console, such as a violated content security policy."""
        # A refusal of the API is written there, too; what it means is for the test to say.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def elsewhere(self) -> list[str]:
        """Addresses that are not on this machine."""
        return [
            url
            for url in self.requested
            if urlsplit(url).scheme not in ("data", "blob", "about")
            and urlsplit(url).hostname not in ("localhost", "127.0.0.1")
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, running: RunningSystem) -> Iterator[Visit]:
    """A fresh browser profile; nothing it does may leave this machine."""
    context = browser.new_context(base_url=running.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    visit = Visit(context.new_page())
    context.on("request", visit.note_request)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("console", visit.note_message)
    yield visit
    context.close()
    assert visit.requested, "the test opened no page"
    assert visit.elsewhere() == []
    assert visit.complaints == []

"""The pages that the links of mails lead to, as a person on a phone uses them."""

import uuid

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.browser.conftest import PATIENCE, Visit
from e2e.journeys.test_accounts import link_to
from e2e.people import PASSWORD
from e2e.system import RunningSystem

NEW_PASSWORD = "another correct horse battery 42"


def test_sign_up_and_reset_by_hand(visit: Visit, running: RunningSystem) -> None:
    """From a form to an account, and from a forgotten password to a new one."""
    page = visit.page
    name = f"hand-{uuid.uuid4().hex[:8]}"
    email = f"{name}@example.org"
    page.goto("/account/sign-up")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading")).to_have_text("Check your mail")

    page.goto(link_to(running, email, "Create your"))
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("password")
    page.get_by_role("button").click()
    expect(page.locator("#password-error-1")).to_be_visible()
    expect(page.get_by_label("Username")).to_have_value(name)
    assert "token=" not in page.url
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading")).to_have_text("Your account is ready")
    running.log_in(name, PASSWORD)

    page.goto("/account/reset-password")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button").click()
    link = link_to(running, email, "Reset your password")
    for _ in range(2):
        # What a mail scanner opens is not used up.
        page.goto(link)
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading")).to_have_text("Your password is changed")
    running.log_in(name, NEW_PASSWORD)

    page.goto(link)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_contain_text("already used")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone_without_scripts(
    browser: Browser, running: RunningSystem, scheme: str
) -> None:
    """Nothing is cut off, and text stands out from its background."""
    context = browser.new_context(
        base_url=running.url,
        viewport={"width": 320, "height": 640},
        java_script_enabled=False,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    for path in ("sign-up", "reset-password", "reset-password?token=x", "verify-email?token=x"):
        page.goto(f"/account/{path}")
        assert _overflow(page) == 0
        expect(page.get_by_role("button")).to_be_in_viewport()
    context.close()


def _overflow(page: Page) -> float:
    box = page.locator("main").bounding_box()
    assert box is not None
    return max(0, box["x"] + box["width"] - 320)

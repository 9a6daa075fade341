"""The admin's log-in with a second factor, as staff use it on a phone, without scripts."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from e2e.authenticator import Authenticator, wait_for_a_fresh_step
from e2e.browser.conftest import PATIENCE
from e2e.people import PASSWORD
from e2e.system import RunningSystem, whole_system
from e2e.waiting import until

PHONE = ViewportSize(width=390, height=844)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system in which staff need a second factor."""
    folder = tmp_path_factory.mktemp("strict")
    with whole_system(folder, STAFF_SECOND_FACTOR="required") as started:
        yield started


def phone(browser: Browser, running: RunningSystem) -> Page:
    """A fresh browser of a phone that runs no script."""
    context = browser.new_context(
        base_url=running.url,
        viewport=PHONE,
        java_script_enabled=False,
    )
    context.set_default_timeout(PATIENCE)
    return context.new_page()


def enter_password(page: Page, username: str) -> None:
    """Fill in the first page."""
    page.goto("/admin/dashboard/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def assert_fits(page: Page) -> None:
    """Nothing is wider than the screen."""
    box = page.locator("#content-main").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_staff_set_it_up_and_log_in(browser: Browser, strict: RunningSystem) -> None:
    """QR code, first code, recovery codes; then a log-in with a code, one from paper, a reset."""
    staff = strict.new_person(is_staff=True, is_superuser=True)
    page = phone(browser, strict)
    enter_password(page, staff.username)
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    qr_code = page.get_by_role("img", name="QR code for an authenticator app")
    drawn = qr_code.locator("svg").bounding_box()
    assert drawn is not None
    assert drawn["width"] >= 120
    assert_fits(page)
    link = page.get_by_role("link", name="Open an app on this device")
    assert (link.get_attribute("href") or "").startswith("otpauth://totp/")
    app = Authenticator((page.locator("code").text_content() or "").replace(" ", ""))

    page.get_by_label("Code of your app").fill("000000")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("The code is wrong")).to_be_visible()
    wait_for_a_fresh_step()
    page.get_by_label("Code of your app").fill(app.code(-1))
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    codes = page.get_by_role("listitem").all_text_contents()
    paper = [code for code in codes if re.fullmatch(r"[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", code)]
    assert len(paper) == 10
    assert_fits(page)
    page.get_by_role("link", name="I have kept them").click()
    expect(page).to_have_url(f"{strict.url}/admin/dashboard/")

    page = phone(browser, strict)
    enter_password(page, staff.username)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    assert_fits(page)
    page.get_by_label("Code of your app").fill(app.code(-1))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("The code is wrong, has expired or was used before.")).to_be_visible()
    page.get_by_label("Code of your app").fill(app.code())
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{strict.url}/admin/dashboard/")

    page = phone(browser, strict)
    enter_password(page, staff.username)
    page.get_by_role("link", name="Use a recovery code").click()
    assert_fits(page)
    page.get_by_label("Recovery code").fill(paper[0].lower())
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{strict.url}/admin/dashboard/")

    lost = strict.new_person(is_staff=True)
    mirrored = f"SELECT count(*) FROM users_user WHERE id = '{lost.id}'"  # noqa: S608 - an id of our own
    assert until(lambda: strict.sql("billing", mirrored) == "1")
    page.goto(f"/admin/users/user/{lost.id}/second-factor/")
    page.get_by_role("button", name="Reset second factor").click()
    expect(page.get_by_text("was reset; their sessions have ended")).to_be_visible()

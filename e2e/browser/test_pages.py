"""Pages that staff and customers use: the admin, and the sandbox's stand-in for the bank."""

from playwright.sync_api import Page, expect

from dev.demo.journey import CARD_3D_SECURE
from e2e.browser.conftest import Visit
from e2e.people import ADMIN_NAME, ADMIN_PASSWORD, PASSWORD, Person
from e2e.system import RunningSystem


def test_staff_add_a_user_who_can_then_log_in(visit: Visit, running: RunningSystem) -> None:
    """The first step of the demo, by hand."""
    page = visit.page
    _log_in(page)

    page.goto("/admin/users/")
    page.get_by_role("link", name="Add").first.click()
    page.fill("[name=username]", "typed-in-by-hand")
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.locator("[name=_save]").click()

    expect(page.locator(".messagelist")).to_contain_text("typed-in-by-hand")
    assert running.log_in("typed-in-by-hand", PASSWORD).get("/api/token/me").status_code == 200


def test_a_weak_password_is_refused_at_its_field(visit: Visit) -> None:
    """auth-service's rules are shown where the password was typed."""
    page = visit.page
    _log_in(page)

    page.goto("/admin/users/user/add/")
    page.fill("[name=username]", "weak-password")
    for field in page.locator("input[type=password]").all():
        field.fill("password")
    page.locator("[name=_save]").click()

    expect(page.locator(".errorlist").first).to_be_visible()


def test_a_wrong_password_keeps_the_admin_closed(visit: Visit) -> None:
    """The login form says so and stays."""
    page = visit.page
    page.goto("/admin/")
    page.fill("#id_username", ADMIN_NAME)
    page.fill("#id_password", "not the password")
    page.locator("[type=submit]").click()

    expect(page.locator(".errornote")).to_be_visible()
    expect(page.locator("#id_username")).to_be_visible()


def test_every_section_of_the_admin_opens(visit: Visit, person: Person) -> None:
    """With data in them, all lists render, and the subscription has its page."""
    person.subscribe()
    page = visit.page
    _log_in(page)
    lists = {
        str(link.get_attribute("href"))
        for link in page.locator("#content-main th a, #content-main .model a").all()
    }
    lists = {path for path in lists if path.count("/") == 4 and path.startswith("/admin/")}

    statuses = {path: getattr(page.goto(path), "status", None) for path in sorted(lists)}

    assert len(statuses) >= 6
    assert set(statuses.values()) == {200}, statuses


def test_forms_of_the_admin_work_under_its_policy(visit: Visit, person: Person) -> None:
    """Scripts and styles are files: what staff click works, and the console stays empty."""
    person.subscribe()
    page = visit.page
    _log_in(page)

    for path in ("/admin/dashboard/", "/admin/password_change/", "/admin/auth/group/add/"):
        assert getattr(page.goto(path), "status", None) == 200, path
    page.goto(f"/admin/users/user/{person.id}/change/")
    expect(page.locator("[name=username]")).to_be_visible()
    page.goto(f"/admin/users/user/?q={person.username}")
    page.locator("#action-toggle").check()
    expect(page.locator("tr.selected")).to_have_count(1)
    page.locator("button.theme-toggle").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_bank_page_completes_a_subscription(visit: Visit, person: Person) -> None:
    """Pressing *Complete authentication* makes the subscription active by itself."""
    person.subscribe(CARD_3D_SECURE)
    page = visit.page

    page.goto(person.status()["next_action"]["hosted_invoice_url"])
    button = page.get_by_role("button", name="Complete authentication")
    if button.count() == 0:
        page.locator("a[href*='/hosted/authenticate/']").first.click()
    button.click()

    _wait_until_successful(page, person)
    assert person.status()["payment_gateway_status"] == "active"


def test_the_sandbox_page_lists_what_happened(visit: Visit, running: RunningSystem) -> None:
    """The stand-in for Stripe's dashboard opens in a browser and leads on."""
    visit.page.goto(running.sandbox_url)

    expect(visit.page.get_by_role("link", name="Subscriptions").first).to_be_visible()


def _log_in(page: Page) -> None:
    page.goto("/admin/")
    page.fill("#id_username", ADMIN_NAME)
    page.fill("#id_password", ADMIN_PASSWORD)
    page.locator("[type=submit]").click()
    expect(page.locator("#user-tools")).to_be_visible()


def _wait_until_successful(page: Page, person: Person) -> None:
    for _ in range(100):
        if person.status()["status"] == "successful":
            return
        page.wait_for_timeout(200)

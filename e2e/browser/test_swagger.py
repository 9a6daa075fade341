"""The demo clicked through in Swagger, in the order of the product's first description."""

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from dev.demo.journey import CARD_PAYS, card
from e2e.browser.conftest import Visit
from e2e.people import PASSWORD, Person

TOKENS, BILLING = "/api/token/openapi.json", "/api/schema/"


def test_both_schemas_are_shown(visit: Visit) -> None:
    """One page lists the endpoints of both services."""
    visit.page.goto("/api/docs/")
    expect(_operation(visit.page, "/api/token/obtain")).to_be_visible()

    _choose(visit.page, BILLING)
    expect(_operation(visit.page, "/api/subscriptions/subscribe")).to_be_visible()
    expect(_operation(visit.page, "/api/subscriptions/status")).to_be_visible()
    expect(_operation(visit.page, "/api/token/obtain")).to_have_count(0)


def test_the_demo_can_be_clicked_through(visit: Visit, person: Person) -> None:
    """Obtain, authorize, subscribe, subscribe again, status: all by clicking."""
    page = visit.page
    page.goto("/api/docs/")

    obtained = _execute(
        page, "/api/token/obtain", {"username": person.username, "password": PASSWORD}
    )
    _authorize(page, f"JWT {obtained[1]['access']}")
    _choose(page, BILLING)
    subscribed = _execute(page, "/api/subscriptions/subscribe", card(CARD_PAYS))
    again = _execute(page, "/api/subscriptions/subscribe", card(CARD_PAYS))
    status = _execute(page, "/api/subscriptions/status")

    assert obtained[0] == 200
    assert subscribed[0] == 200
    assert again[0] == 409
    assert status == (200, person.status())
    assert status[1]["status"] == "successful"


def test_without_authorization_the_answer_is_401(visit: Visit) -> None:
    """Executing before *Authorize* shows why nothing comes."""
    visit.page.goto("/api/docs/")
    _choose(visit.page, BILLING)

    status, body = _execute(visit.page, "/api/subscriptions/status")

    assert status == 401
    assert set(body) >= {"detail", "code"}


def test_the_authorization_survives_switching_and_reloading(visit: Visit, person: Person) -> None:
    """One *Authorize* is enough for both services, and survives a reload."""
    page = visit.page
    page.goto("/api/docs/")
    _authorize(page, f"JWT {person.access}")

    _choose(page, BILLING)
    in_billing = _execute(page, "/api/subscriptions/status")
    page.reload()
    _choose(page, TOKENS)
    after_reload = _execute(page, "/api/token/me")

    assert in_billing[0] == 404
    assert after_reload[0] == 200
    assert after_reload[1]["username"] == person.username


def test_each_service_has_a_page_of_its_own(visit: Visit) -> None:
    """The schemas can also be read one by one, without anything from outside."""
    visit.page.goto("/api/token/docs")

    expect(_operation(visit.page, "/api/token/obtain")).to_be_visible()


def _choose(page: Page, schema: str) -> None:
    # Swagger UI shows the document that arrives last, also if it was asked for first.
    expect(page.locator(".opblock").first).to_be_visible()
    page.locator("select#select").select_option(schema)


def _operation(page: Page, path: str) -> Locator:
    spelled = page.locator(f"[data-path='{path}']")
    return page.locator(".opblock").filter(has=spelled).first


def _authorize(page: Page, value: str) -> None:
    page.locator("button.authorize").first.click()
    dialogue = page.locator(".auth-container").filter(has_text="jwtAuth")
    dialogue.locator("input").fill(value)
    dialogue.get_by_role("button", name="Apply credentials").or_(
        dialogue.locator("button.authorize")
    ).first.click()
    page.locator(".btn-done").first.click()


def _execute(page: Page, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Try an operation out and read the answer from the page."""
    operation = _operation(page, path)
    if "is-open" not in (operation.get_attribute("class") or ""):
        operation.locator(".opblock-summary-control").click()
        operation.locator("button.try-out__btn").click()
    if body is not None:
        operation.locator("textarea.body-param__text").fill(json.dumps(body))
    with page.expect_response(lambda answer: answer.url.split("?")[0].endswith(path)) as answered:
        operation.locator("button.execute").click()
    live = operation.locator(".live-responses-table tbody .response-col_status").first
    expect(live).to_contain_text(str(answered.value.status))
    shown = int((live.text_content() or "").split()[0][:3])
    return shown, answered.value.json()

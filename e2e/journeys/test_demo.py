"""Every row of the demo, through the gateway, as a caller of the API meets it."""

from typing import Any

import httpx
import pytest
from rich.console import Console

from dev.demo.forms import Page
from dev.demo.journey import (
    CARD_3D_SECURE,
    CARD_DECLINED,
    STATUS_FIELDS,
    walk,
)
from dev.demo.show import Show
from dev.demo.visitor import Exchange, Visitor
from e2e.people import (
    ADMIN_NAME,
    ADMIN_PASSWORD,
    COMPLETE,
    FAIL,
    PASSWORD,
    Person,
    claims,
    complete_3ds,
)
from e2e.system import RunningSystem
from e2e.waiting import until


def test_the_demo_walks_through(running: RunningSystem) -> None:
    """What `make demo` shows a newcomer, step by step, really happens."""
    show = Show(Console(quiet=True))

    walk(running.url, show)

    assert [line.exchange.status for line in show.lines if line.exchange.status >= 400] == [
        401,
        409,
        400,
    ]


def test_a_user_added_in_the_admin_can_log_in(running: RunningSystem) -> None:
    """Staff add users in billing's admin; auth-service is where they then exist."""
    with Visitor(running.url) as admin:
        _log_in(admin)
        page = admin.page("/admin/users/user/add/")
        _add_user(admin, page, "added-in-the-admin")

    person = running.log_in("added-in-the-admin", PASSWORD)

    assert person.get("/api/token/me").json()["username"] == "added-in-the-admin"
    assert person.get("/api/subscriptions/status").status_code == 404


def test_a_name_that_is_taken_is_said_at_its_field(running: RunningSystem) -> None:
    """The admin shows the refusal of auth-service where the name was typed."""
    with Visitor(running.url) as admin:
        _log_in(admin)
        _add_user(admin, admin.page("/admin/users/user/add/"), "taken-name")
        again = _add_user(admin, admin.page("/admin/users/user/add/"), "taken-name")

    assert again.status == 200
    assert "taken" in str(again.answer).lower() or "exists" in str(again.answer).lower()


def test_only_staff_get_into_the_admin(running: RunningSystem, person: Person) -> None:
    """A customer's password opens the API, not the admin."""
    with Visitor(running.url) as visitor:
        form = visitor.page("/admin/login/?next=/admin/").form(field_name="password")
        assert form is not None
        answer = visitor.submit(form, {"username": person.username, "password": PASSWORD})

    assert answer.status == 200
    assert "staff" in str(answer.answer).lower()


@pytest.mark.parametrize("scheme", ["JWT", "Bearer", "jwt", "bearer"])
def test_both_schemes_are_accepted(running: RunningSystem, person: Person, scheme: str) -> None:
    """Old clients send JWT, newer ones Bearer."""
    answer = running.client.get(
        f"{running.url}/api/subscriptions/products",
        headers={"Authorization": f"{scheme} {person.access}"},
    )

    assert answer.status_code == 200
    assert "basic_subscription" in answer.text


def test_a_wrong_password_and_an_unknown_name_are_one_answer(
    running: RunningSystem, person: Person
) -> None:
    """The answer does not reveal which names exist."""
    answers = [
        running.client.post(
            f"{running.url}/api/token/obtain", json={"username": name, "password": "wrong one"}
        )
        for name in (person.username, "no-such-name")
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


def test_without_a_token_every_subscription_call_is_401(running: RunningSystem) -> None:
    """The answer says which scheme to use, as RFC 9110 asks."""
    calls = [
        ("POST", "subscribe"),
        ("GET", "status"),
        ("POST", "cancel"),
        ("POST", "resume"),
        ("GET", "invoices"),
    ]
    answers = [
        running.client.request(method, f"{running.url}/api/subscriptions/{name}")
        for method, name in calls
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)


def test_subscribe_answers_with_the_seven_fields(person: Person) -> None:
    """The body that the first clients were written against still comes back."""
    answer = person.subscribe()
    status = person.status()

    assert answer.status_code == 200, answer.text
    assert set(STATUS_FIELDS) <= set(status)
    assert status["status"] == "successful"
    assert status["payment_gateway_status"] == "active"
    assert status["price_reference"] == "price_sandbox_basic"
    assert status["id_reference"].startswith("sub_")
    assert status["purchase_date"] == status["current_period_start"][:10]
    assert status["current_period_end"] > status["current_period_start"]
    assert status["current_period_start"].endswith("Z")


def test_a_second_subscribe_is_refused(person: Person) -> None:
    """One user, one live subscription."""
    assert person.subscribe().status_code == 200

    again = person.subscribe()

    assert again.status_code == 409
    assert set(again.json()) >= {"detail", "code"}


def test_a_declined_card_can_be_followed_by_a_good_one(person: Person) -> None:
    """The customer that the declined attempt created is used again."""
    declined = person.subscribe(CARD_DECLINED)
    good = person.subscribe()

    assert declined.status_code == 400
    assert declined.json()["code"] == "card_declined"
    assert declined.json()["detail"].endswith(".")
    assert good.status_code == 200
    assert person.status()["status"] == "successful"


def test_three_d_secure_fails_until_it_is_completed(person: Person) -> None:
    """After the bank's page the subscription becomes active with no further call."""
    subscribed = person.subscribe(CARD_3D_SECURE)
    before = person.status()

    complete_3ds(person, button=COMPLETE)
    after = until(lambda: person.status()["status"] == "successful" and person.status())

    assert subscribed.status_code == 200
    assert (before["status"], before["payment_gateway_status"]) == ("failed", "incomplete")
    assert after
    assert (after["status"], after["payment_gateway_status"]) == ("successful", "active")
    assert after["id_reference"] == before["id_reference"]


def test_a_failed_verification_leaves_another_card_possible(person: Person) -> None:
    """After a failed verification another card can be used at once."""
    person.subscribe(CARD_3D_SECURE)

    complete_3ds(person, button=FAIL)
    again = person.subscribe()

    assert again.status_code == 200
    assert person.status()["status"] == "successful"


def test_a_cancelled_user_can_subscribe_again(person: Person) -> None:
    """Cancelling ends one subscription, not the customer."""
    person.subscribe()
    cancelled = person.post("/api/subscriptions/cancel", {"at_period_end": False})
    again = person.subscribe(subscription_product="pro_subscription")

    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "canceled"
    assert again.status_code == 200
    assert person.status()["price_reference"] == "price_sandbox_pro"


def test_cancelling_at_the_period_end_can_be_taken_back(person: Person) -> None:
    """Until the paid period is over, both directions are open."""
    person.subscribe()

    cancelled = person.post("/api/subscriptions/cancel", {"at_period_end": True}).json()
    resumed = person.post("/api/subscriptions/resume").json()

    assert "status" in cancelled, cancelled
    assert "status" in resumed, resumed
    assert (cancelled["status"], cancelled["cancel_at_period_end"]) == ("successful", True)
    assert (resumed["status"], resumed["cancel_at_period_end"]) == ("successful", False)


def test_a_number_that_is_no_test_number_is_refused(person: Person) -> None:
    """A real card number is refused before it is stored or sent anywhere."""
    answer = person.subscribe("4539578763621486")

    assert answer.status_code == 400
    assert answer.json()["code"] == "raw_card_refused"
    assert "4539578763621486" not in answer.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"card_expiration_month": 13}, "card_expiration_month"),
        ({"card_expiration_year": 2001}, "card_expiration_year"),
        ({"card_cvc": "x"}, "card_cvc"),
        ({"subscription_product": "gold"}, "product"),
    ],
)
def test_a_wrong_field_is_named(person: Person, changes: dict[str, Any], field: str) -> None:
    """A form can show the complaint beside the field."""
    answer = person.subscribe(**changes)

    assert answer.status_code == 400
    assert field in answer.text


def test_tokens_are_refreshed_once_and_then_rotated(running: RunningSystem, person: Person) -> None:
    """A refresh gives a new pair; both accesses open the API."""
    answer = running.client.post(
        f"{running.url}/api/token/refresh", json={"refresh": person.refresh}
    )
    pair = answer.json()
    products = running.client.get(
        f"{running.url}/api/subscriptions/products",
        headers={"Authorization": f"JWT {pair['access']}"},
    )

    assert answer.status_code == 200
    assert set(pair) >= {"refresh", "access"}
    assert pair["refresh"] != person.refresh
    assert claims(pair["access"])["id"] == person.id
    assert products.status_code == 200


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_trailing_slash_does_not_matter(
    running: RunningSystem, person: Person, ending: str
) -> None:
    """Both spellings answer, and a POST is never redirected."""
    status = person.get(f"/api/subscriptions/status{ending}")
    obtain = running.client.post(
        f"{running.url}/api/token/obtain{ending}",
        json={"username": person.username, "password": PASSWORD},
    )

    assert status.status_code == 404
    assert obtain.status_code == 200


def test_the_home_page_leads_to_the_docs(running: RunningSystem) -> None:
    """The bare address leads to the API."""
    answer = running.client.get(f"{running.url}/", follow_redirects=True)

    assert answer.status_code == 200
    assert answer.url.path == "/api/docs/"


def _log_in(admin: Visitor) -> None:
    form = admin.page("/admin/login/?next=/admin/").form(field_name="password")
    assert form is not None
    answer = admin.submit(form, {"username": ADMIN_NAME, "password": ADMIN_PASSWORD})
    assert answer.status == httpx.codes.FOUND


def _add_user(admin: Visitor, page: Page, name: str) -> Exchange:
    form = page.form(field_name="username")
    assert form is not None
    return admin.submit(form, {"username": name} | dict.fromkeys(form.passwords, PASSWORD))

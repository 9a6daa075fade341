"""The demo's steps, in the order of the product's first description."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

from dev.demo.forms import Form, Page
from dev.demo.show import Show
from dev.demo.visitor import Exchange, Visitor
from dev.errors import DemoFailed

ADMIN = ("admin", "qweqweqwE1")
STATUS_FIELDS = (
    "status",
    "payment_gateway_status",
    "current_period_start",
    "current_period_end",
    "id_reference",
    "price_reference",
    "purchase_date",
)
CARD_PAYS = "4242424242424242"
CARD_DECLINED = "4000000000000002"
CARD_3D_SECURE = "4000002500003155"
# Stripe's webhook has to arrive, and the worker has to process it.
WEBHOOK_SECONDS = 20.0
# A person has to find and press the button on Stripe's own page.
PERSON_SECONDS = 300.0


def card(number: str) -> dict[str, Any]:
    """The body of a subscribe with this card."""
    return {
        "subscription_product": "basic_subscription",
        "card_number": number,
        "card_expiration_month": 12,
        "card_expiration_year": 2030,
        "card_cvc": 999,
    }


def walk(base_url: str, show: Show) -> None:
    """Walk the whole demo.

    Args:
        base_url: The gateway.
        show: Shows each step.

    Raises:
        DemoFailed: A step got another answer than the one it shows.
    """
    # Names that no earlier run has used: the demo can be repeated on the same database.
    suffix = secrets.token_hex(3)
    first, second = f"ada-{suffix}", f"grace-{suffix}"
    password = f"correct horse {secrets.token_hex(4)}"
    with Visitor(base_url) as admin:
        log_in(admin, show)
        add_user(admin, first, password=password, show=show)
        add_user(admin, second, password=password, show=show)
    with Visitor(base_url) as user:
        obtain(user, first, password=password, show=show)
        with Visitor(base_url) as stranger:
            subscribe_without_token(stranger, show)
        subscribe_and_cancel(user, show)
    with Visitor(base_url) as user:
        obtain(user, second, password=password, show=show)
        decline_then_verify(user, show)


def log_in(admin: Visitor, show: Show) -> None:
    """Log in to the admin through its form."""
    show.step("The administrator logs in")
    form = _form(admin.page("/admin/login/?next=/admin/"), field_name="password")
    exchange = admin.submit(form, {"username": ADMIN[0], "password": ADMIN[1]})
    show.expect(exchange, 302, "Logged in by auth-service; the session is the admin's alone.")


def add_user(admin: Visitor, name: str, *, password: str, show: Show) -> None:
    """Add a user through the admin's form at /admin/users/."""
    show.step(f"… and adds {name}")
    section = admin.page("/admin/users/")
    add = section.link(ending="/add/")
    if add is None:
        raise DemoFailed("/admin/users/ has no link to add a user.")
    form = _form(admin.page(add), field_name="username")
    typed = {"username": name} | dict.fromkeys(form.passwords, password)
    exchange = admin.submit(form, typed)
    show.expect(exchange, 302, "Created in auth-service; billing keeps no password.")


def obtain(user: Visitor, name: str, *, password: str, show: Show) -> None:
    """Obtain tokens by name and password."""
    show.step(f"{name} obtains tokens")
    exchange = user.post("/api/token/obtain", {"username": name, "password": password})
    show.expect(exchange, 200, "RS256, verified by billing with the public key set alone.")
    user.access_token = exchange.json["access"]


def subscribe_without_token(stranger: Visitor, show: Show) -> None:
    """Subscribe without a token."""
    show.step("Subscribing without a token")
    show.expect(stranger.post("/api/subscriptions/subscribe", card(CARD_PAYS)), 401)


def subscribe_and_cancel(user: Visitor, show: Show) -> None:
    """Subscribe with a card that pays, try again, look, cancel."""
    show.step("A card that pays")
    exchange = user.post("/api/subscriptions/subscribe", card(CARD_PAYS))
    show.expect(exchange, 200)
    show.step("Subscribing a second time")
    show.expect(user.post("/api/subscriptions/subscribe", card(CARD_PAYS)), 409)
    show.step("The status of the subscription")
    exchange = user.get("/api/subscriptions/status")
    show.expect(exchange, 200, f"All seven fields: {', '.join(STATUS_FIELDS)}.")
    missing = [name for name in STATUS_FIELDS if not exchange.json.get(name)]
    if missing:
        raise DemoFailed(f"The status has no {', '.join(missing)}.")
    _require(exchange, status="successful", payment_gateway_status="active")
    show.step("Cancelling at once")
    exchange = user.post("/api/subscriptions/cancel", {"at_period_end": False})
    show.expect(exchange, 200)
    _require(exchange, status="canceled")


def decline_then_verify(user: Visitor, show: Show) -> None:
    """A declined card, then one with 3-D Secure, completed on Stripe's page."""
    show.step("A declined card")
    exchange = user.post("/api/subscriptions/subscribe", card(CARD_DECLINED))
    show.expect(exchange, 400, "One sentence says why; the user may try another card.")
    show.step("A card with 3-D Secure")
    exchange = user.post("/api/subscriptions/subscribe", card(CARD_3D_SECURE))
    show.expect(exchange, 200)
    show.step("… failed until it is verified")
    exchange = user.get("/api/subscriptions/status")
    show.expect(exchange, 200)
    _require(exchange, status="failed", payment_gateway_status="incomplete")
    address = verification_address(exchange.json)
    seconds = _complete_verification(user, address, show)
    show.step("… and successful with no further call")
    exchange = _successful_status(user, seconds, show)
    show.expect(exchange, 200, "Stripe's webhook went through the inbox and the worker.")
    _require(exchange, status="successful", payment_gateway_status="active")


def _complete_verification(user: Visitor, address: str, show: Show) -> float:
    """Press the button at the sandbox; at real Stripe, ask the person to."""
    show.step("The bank's page: verified")
    button = "Complete authentication"
    page = user.page(address)
    if page.form(button=button) is None and (link := page.link(holding="/hosted/authenticate/")):
        page = user.page(link)
    form = page.form(button=button)
    if form is None:
        show.ask(f"Open {address} and complete the verification.")
        return PERSON_SECONDS
    exchange = user.submit(form, {}, button=button)
    if exchange.status not in {200, 302, 303}:
        raise DemoFailed(f"The verification page answered {exchange.status}.")
    show.expect(exchange, exchange.status)
    return WEBHOOK_SECONDS


def _successful_status(user: Visitor, seconds: float, show: Show) -> Exchange:
    deadline = time.monotonic() + seconds
    with show.waiting("Waiting for Stripe's webhook"):
        while True:
            exchange = user.get("/api/subscriptions/status")
            if exchange.json.get("status") == "successful" or time.monotonic() > deadline:
                return exchange
            time.sleep(0.2)


def verification_address(status: dict[str, Any]) -> str:
    """Where the verification of a 3-D Secure card is completed.

    Args:
        status: The body of a status, whose `next_action` holds the address.

    Raises:
        DemoFailed: There is none.
    """
    addresses = list(_addresses(status.get("next_action")))
    if not addresses:
        raise DemoFailed("The status has no next_action with the address of a verification page.")
    return next((address for address in addresses if "/authenticate/" in address), addresses[0])


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("http"):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _addresses(inner)


def _form(page: Page, *, field_name: str) -> Form:
    form = page.form(field_name=field_name)
    if form is None:
        raise DemoFailed(f"The page has no form with the field {field_name}.")
    return form


def _require(exchange: Exchange, **expected: str) -> None:
    for name, value in expected.items():
        if exchange.json.get(name) != value:
            raise DemoFailed(
                f"{exchange.method} {exchange.path} answered {name}"
                f" {exchange.json.get(name)!r} instead of {value!r}."
            )

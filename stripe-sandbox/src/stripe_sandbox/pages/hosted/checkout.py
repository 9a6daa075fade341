"""The Checkout page, on which a customer pays with a test card."""

from starlette.responses import Response

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.sessions import CheckoutSession
from stripe_sandbox.objects.state import CheckoutSessionState
from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.resources import checkout_purchases
from stripe_sandbox.storage.kinds import CHECKOUT_SESSION, CUSTOMER, PRICE, PROMOTION_CODE
from stripe_sandbox.storage.store import Work


def show(visit: Visit) -> Response:
    """The line items, and a card form while the session is open."""
    work, session = visit.work, visit.work.get(CHECKOUT_SESSION, visit.id)
    customer = work.find(CUSTOMER, session["customer"])
    state = work.state(session, CheckoutSessionState)
    email = customer["email"] if customer else session["customer_email"]
    return visit.show(
        "hosted/checkout.html",
        session=session,
        items=[item | {"price": work.get(PRICE, item["price"])} for item in state.items],
        email=email or "customer@example.com",
        known=bool(email),
        code=_code(work, state),
        address=state.address or (customer["address"] if customer else None) or {},
        needs_card=checkout_purchases.needs_method(session),
        changeable=_changeable(session, state),
        choices=cards.choices(),
    )


def _code(work: Work, state: CheckoutSessionState) -> str:
    """The promotion code that reduces the price, as customers know it."""
    named = next((one.get("promotion_code") for one in state.discounts), None)
    code = work.find(PROMOTION_CODE, named)
    return code["code"] if code else ""


def _changeable(session: CheckoutSession, state: CheckoutSessionState) -> bool:
    """Whether the customer can change what the session costs."""
    return bool(
        session["allow_promotion_codes"]
        or session["automatic_tax"]["enabled"]
        or any(item.get("adjustable_quantity") for item in state.items)
    )


def change(visit: Visit) -> Response:
    """Take a code, quantities or an address, and show the new price."""
    session = visit.work.get(CHECKOUT_SESSION, visit.id)
    quantities = {
        name.removeprefix("quantity-"): _quantity(value)
        for name, value in visit.form.items()
        if name.startswith("quantity-")
    }
    address = {
        name: visit.form[name].strip().upper()
        for name in ("country", "postal_code")
        if visit.form.get(name, "").strip()
    }
    checkout_purchases.change(
        visit.work,
        session,
        quantities=quantities,
        code=visit.form.get("code", "") if session["allow_promotion_codes"] else None,
        address=address or None,
    )
    return visit.to(f"/hosted/checkout/{visit.id}")


def _quantity(typed: str) -> int:
    if not typed.strip().isdecimal() or len(typed) > 6:
        raise InvalidRequest("A quantity is a whole number.", param="quantity")
    return int(typed)


def pay(visit: Visit) -> Response:
    """Complete the session; a card may ask for 3-D Secure first."""
    session = visit.work.get(CHECKOUT_SESSION, visit.id)
    if not session["customer"]:
        session["customer_email"] = session["customer_email"] or visit.form.get("email")
    needed = checkout_purchases.needs_method(session)
    method = cards.from_form(visit.work, visit.form) if needed else None
    intent = checkout_purchases.complete(visit.work, session, method)
    if intent.get("status") == "requires_action":
        return visit.to(f"/hosted/authenticate/{intent['id']}")
    return visit.to(after(session))


def after(session: CheckoutSession) -> str:
    """Where the customer is redirected: to `success_url` if the session is complete."""
    if session["status"] != "complete" or not session["success_url"]:
        return f"/hosted/checkout/{session['id']}"
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])

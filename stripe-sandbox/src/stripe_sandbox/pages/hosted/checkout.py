"""The Checkout page, on which a customer pays with a test card."""

from starlette.responses import Response

from stripe_sandbox.objects.sessions import CheckoutSession
from stripe_sandbox.objects.state import CheckoutSessionState
from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.resources import checkout_sessions
from stripe_sandbox.storage.kinds import CHECKOUT_SESSION, CUSTOMER, PRICE


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
        choices=cards.choices(),
    )


def pay(visit: Visit) -> Response:
    """Complete the session; a card may ask for 3-D Secure first."""
    session = visit.work.get(CHECKOUT_SESSION, visit.id)
    if not session["customer"]:
        session["customer_email"] = session["customer_email"] or visit.form.get("email")
    method = cards.from_form(visit.work, visit.form)
    intent = checkout_sessions.complete(visit.work, session, method)
    if intent.get("status") == "requires_action":
        return visit.to(f"/hosted/authenticate/{intent['id']}")
    return visit.to(after(session))


def after(session: CheckoutSession) -> str:
    """Where the customer is redirected: to `success_url` if the session is complete."""
    if session["status"] != "complete" or not session["success_url"]:
        return f"/hosted/checkout/{session['id']}"
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])

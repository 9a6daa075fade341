"""The checkout page: a test card in, a completed session out."""

from typing import Any

from starlette.responses import Response

from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.resources import checkout_sessions

Json = dict[str, Any]


def show(visit: Visit) -> Response:
    """What is bought, and a card form while the session is open."""
    work, session = visit.work, visit.work.get("checkout.session", visit.id)
    customer = work.find(session["customer"] or "")
    email = customer["email"] if customer else session["customer_email"]
    return visit.show(
        "hosted/checkout.html",
        session=session,
        items=[item | {"price": work.get("price", item["price"])} for item in session["_items"]],
        email=email or "customer@example.com",
        known=bool(email),
        choices=cards.choices(),
    )


def pay(visit: Visit) -> Response:
    """Complete the session; a card may ask for 3-D Secure first."""
    session = visit.work.get("checkout.session", visit.id)
    if not session["customer"]:
        session["customer_email"] = session["customer_email"] or visit.form.get("email")
    method = cards.from_form(visit.work, visit.form)
    intent = checkout_sessions.complete(visit.work, session, method)
    if intent.get("status") == "requires_action":
        return visit.to(f"/hosted/authenticate/{intent['id']}")
    return visit.to(after(session))


def after(session: Json) -> str:
    """Where the customer goes on: to the shop if the session is complete, else to its page."""
    if session["status"] != "complete" or not session["success_url"]:
        return f"/hosted/checkout/{session['id']}"
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])

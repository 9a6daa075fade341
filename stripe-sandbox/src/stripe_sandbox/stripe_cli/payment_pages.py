"""The private endpoints with which `stripe trigger` completes a checkout session."""

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import CardError, InvalidRequest
from stripe_sandbox.objects.common import Json
from stripe_sandbox.resources import checkout_purchases
from stripe_sandbox.rules import payment_methods
from stripe_sandbox.storage.kinds import CHECKOUT_SESSION
from stripe_sandbox.storage.store import Work


def show(work: Work, identifier: str) -> Json:
    """The session as Stripe's own Checkout page receives it; the CLI reads only the id."""
    session = work.get(CHECKOUT_SESSION, identifier)
    return present(work, session)


def confirm(work: Work, identifier: str, sent: Json) -> Json:
    """Pay a session as its customer would.

    Args:
        identifier: The session.
        sent: `payment_method`, and `expected_amount` as the page showed it.

    Raises:
        InvalidRequest: The amount is another one.
        CardError: The card was declined, or asks for 3-D Secure.
    """
    session = work.get(CHECKOUT_SESSION, identifier)
    expected = sent.get("expected_amount")
    if expected is not None and expected != str(session["amount_total"]):
        raise InvalidRequest("The amount has changed.", param="expected_amount")
    named = str(sent.get("payment_method", ""))
    method = payment_methods.resolve(work, named, param="payment_method")
    intent = checkout_purchases.complete(work, session, method)
    if intent.get("status") == "requires_action":
        raise CardError("This card asks for 3-D Secure.", code="authentication_required")
    return present(work, session)

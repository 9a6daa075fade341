"""Setup intents: cards saved for later, with 3-D Secure where the card asks for it."""

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import DOCS, CardError
from stripe_sandbox.objects.common import Json
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.payments import PaymentMethod, SetupIntent
from stripe_sandbox.objects.state import PaymentMethodState
from stripe_sandbox.rules import payment_methods, payments
from stripe_sandbox.rules.cards import Decline
from stripe_sandbox.storage.kinds import CUSTOMER, PAYMENT_METHOD, SETUP_INTENT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit


def new_intent(work: Work, values: Json) -> SetupIntent:
    """A setup intent that has not been attempted."""
    identifier = work.ids.new("seti_")
    intent = work.create(
        SETUP_INTENT,
        {
            "id": identifier,
            "created": payments.now_for(work, values.get("customer")),
            "client_secret": f"{identifier}_secret_{work.ids.text(25)}",
            "metadata": {},
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
            "usage": "off_session",
            **values,
        },
    )
    emit(work, "setup_intent.created", intent)
    return intent


def attempt(
    work: Work, intent: SetupIntent, method: PaymentMethod, *, return_url: str | None = None
) -> SetupIntent:
    """Try to save a payment method; the intent's status shows the outcome."""
    intent |= {"payment_method": method["id"], "last_setup_error": None, "next_action": None}
    authenticated = work.state(method, PaymentMethodState).authenticated
    if payment_methods.card_of(method).challenge == "never" or authenticated:
        return save_card(work, intent)
    url = f"{work.public_url}/hosted/authenticate/{intent['id']}"
    intent |= {
        "status": "requires_action",
        "next_action": payments.next_action(work, url, return_url),
    }
    emit(work, "setup_intent.requires_action", work.save(intent))
    return intent


def authenticate(work: Work, intent: SetupIntent, *, succeed: bool) -> SetupIntent:
    """Finish 3-D Secure as the customer did."""
    intent["next_action"] = None
    if succeed:
        return save_card(work, intent)
    error = {"code": "setup_intent_authentication_failure", "type": "invalid_request_error"}
    return _refused(work, intent, payments.AUTHENTICATION_FAILED, error)


def save_card(work: Work, intent: SetupIntent) -> SetupIntent:
    """Check the card and attach it to the customer."""
    method = work.get(PAYMENT_METHOD, intent["payment_method"])
    card = payment_methods.card_of(method)
    if card.refuses and not card.attaches:
        return _refused(work, intent, card.refuses.message, _decline(card.refuses))
    work.state(method, PaymentMethodState).authenticated = True
    customer = work.find(CUSTOMER, intent["customer"])
    if customer:
        payment_methods.attach(work, method, customer)
    intent["status"] = "succeeded"
    emit(work, "setup_intent.succeeded", work.save(intent))
    return intent


def _decline(decline: Decline) -> Json:
    return payment_methods.decline_fields(decline) | {"type": "card_error"}


def _refused(work: Work, intent: SetupIntent, message: str, error: Json) -> SetupIntent:
    method = work.get(PAYMENT_METHOD, intent["payment_method"])
    code = str(error["code"]).replace("_", "-")
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_setup_error": {
            **error,
            "doc_url": f"{DOCS}/{code}",
            "message": message,
            "payment_method": present(work, method),
        },
    }
    emit(work, "setup_intent.setup_failed", work.save(intent))
    return intent


def declined(work: Work, intent: SetupIntent) -> CardError:
    """The refusal a caller gets when a confirmation did not save the card."""
    error = dict(intent["last_setup_error"] or {})
    error.pop("type")
    error.pop("doc_url")
    return CardError(
        error.pop("message"),
        code=error.pop("code"),
        param=error.pop("param", None),
        **error,
        setup_intent=present(work, intent),
    )


def for_subscription(
    work: Work, customer: Customer, method: PaymentMethod | None, *, off_session: bool
) -> SetupIntent:
    """The setup intent of a subscription on which nothing is due yet."""
    intent = new_intent(work, {"customer": customer["id"], "usage": "off_session"})
    if method is None:
        return intent
    if off_session:
        intent["payment_method"] = method["id"]
        return save_card(work, intent)
    return attempt(work, intent, method)


def cancel(work: Work, intent: SetupIntent, *, reason: str | None) -> SetupIntent:
    """Cancel a setup intent that has not succeeded."""
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    emit(work, "setup_intent.canceled", work.save(intent))
    return intent

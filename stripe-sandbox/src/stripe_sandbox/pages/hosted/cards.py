"""The card form of the hosted pages: published test numbers and nothing else."""

from stripe_sandbox.errors import CardError, InvalidRequest
from stripe_sandbox.objects.payments import PaymentMethod
from stripe_sandbox.rules import payment_methods
from stripe_sandbox.rules.cards import CARDS, TestCard
from stripe_sandbox.storage.kinds import CUSTOMER
from stripe_sandbox.storage.store import Work

_CHALLENGES = {
    "always": "asks for 3-D Secure every time",
    "unless_set_up": "asks for 3-D Secure unless it was set up",
    "on_session": "asks for 3-D Secure while the customer is there",
}


def from_form(work: Work, form: dict[str, str]) -> PaymentMethod:
    """A new payment method for the number in a form.

    Raises:
        CardError: The account is in live mode, where test cards are declined.
        InvalidRequest: It is no test number. The number is neither stored nor shown.
    """
    typed = "".join(form.get("number", "").split())
    card = next((card for card in CARDS if card.number == typed), None)
    if card is None:
        raise InvalidRequest("Only test card numbers work here. Never enter a real one.")
    if work.live:
        raise CardError(
            "Your card was declined. Your request was in live mode, but used a known test card.",
            code="card_declined",
            decline_code="live_mode_test_card",
        )
    return payment_methods.from_test_card(work, card)


def choices() -> list[tuple[str, str]]:
    """Every test number as it is printed on a card, and what it does."""
    return [(_printed(card.number), _does(card)) for card in CARDS]


def _printed(number: str) -> str:
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def _does(card: TestCard) -> str:
    effects = [_CHALLENGES[card.challenge]] if card.challenge in _CHALLENGES else []
    if card.refuses:
        reason = card.refuses.decline_code.replace("_", " ")
        effects.append(f"{'then declined' if effects else 'declined'}: {reason}")
        if card.attaches and card.challenge == "never":
            effects.append("but can be saved")
    return ", ".join(effects) or f"pays ({card.brand})"


def attached(work: Work, customer: str, form: dict[str, str]) -> PaymentMethod:
    """A new payment method for the number in a form, saved with a customer.

    Raises:
        InvalidRequest: It is no test number.
        AttachRefused: The card is one that cannot be saved.
    """
    owner = work.get(CUSTOMER, customer)
    return payment_methods.attach(work, from_form(work, form), owner)

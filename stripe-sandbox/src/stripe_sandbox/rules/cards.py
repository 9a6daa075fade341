"""Stripe's published test cards and what each of them does.

Source: https://docs.stripe.com/testing.
"""

import hashlib
from dataclasses import dataclass

from stripe_sandbox.rules.countries import COUNTRY_BY_NUMBER


@dataclass(frozen=True)
class Decline:
    """How a card refuses, in the words of the error."""

    code: str
    decline_code: str
    message: str
    advice: str | None = "try_again_later"
    # What the card's network answers; known for the plain decline alone.
    network_code: str | None = None


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.", network_code="01")
FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", "Your card was declined.", "do_not_try_again")
STOLEN = Decline("card_declined", "stolen_card", "Your card was declined.", "do_not_try_again")
FRAUD = Decline("card_declined", "fraudulent", "Your card was declined.", "do_not_try_again")
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.", "confirm_card_data")
CVC = Decline(
    "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data"
)
PROCESSING = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount "
    "limit.",
)


def _fingerprint(number: str) -> str:
    return hashlib.sha256(number.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TestCard:
    """One card of the published table.

    Attributes:
        number: The published number, of which only the last four digits are shown.
        ids: Test payment method ids, the current one first.
        challenge: When 3-D Secure is asked for: `never`, `always`, `on_session`
            (but not off-session), or `unless_set_up`.
        refuses: How it refuses to be charged.
        attaches: Whether a refusing card can be attached to a customer at all.
        dispute: Why its charges are disputed, shortly after they succeed.
        dispute_status: The status in which such a dispute begins.
        refund: What becomes of its refunds: `succeeds`, `pends` and succeeds later, or
            `fails` after it succeeded.
    """

    # pytest would otherwise take the class for a test.
    __test__ = False

    number: str
    ids: tuple[str, ...]
    brand: str = "visa"
    country: str = "US"
    challenge: str = "never"
    refuses: Decline | None = None
    attaches: bool = True
    funding: str = "credit"
    dispute: str | None = None
    dispute_status: str = "needs_response"
    refund: str = "succeeds"

    @property
    def fingerprint(self) -> str:
        """Stripe's fingerprint: equal for equal card numbers."""
        return _fingerprint(self.number)


def _refusing(number: str, decline: Decline, *ids: str) -> TestCard:
    return TestCard(number, ids, refuses=decline, attaches=False)


CARDS: tuple[TestCard, ...] = (
    TestCard("4242424242424242", ("pm_card_visa",)),
    TestCard("4000056655665556", ("pm_card_visa_debit",), funding="debit"),
    TestCard("5555555555554444", ("pm_card_mastercard",), brand="mastercard"),
    TestCard(
        "5200828282828210", ("pm_card_mastercard_debit",), brand="mastercard", funding="debit"
    ),
    TestCard(
        "5105105105105100", ("pm_card_mastercard_prepaid",), brand="mastercard", funding="prepaid"
    ),
    TestCard("371449635398431", ("pm_card_amex",), brand="amex"),
    TestCard("6011000990139424", ("pm_card_discover",), brand="discover"),
    TestCard("3056930009020004", ("pm_card_diners",), brand="diners"),
    TestCard("3566002020360505", ("pm_card_jcb",), brand="jcb"),
    TestCard("6200000000000005", ("pm_card_unionpay",), brand="unionpay"),
    TestCard(
        "4000002500003155",
        ("pm_card_authenticationRequiredOnSetup",),
        challenge="unless_set_up",
        country="FR",
    ),
    TestCard(
        "4000002760003184", ("pm_card_authenticationRequired",), challenge="always", country="DE"
    ),
    TestCard(
        "4000003800000446",
        ("pm_card_authenticationRequiredSetupForOffSession",),
        challenge="on_session",
        country="IT",
    ),
    TestCard(
        "4000008260003178",
        ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",),
        challenge="always",
        refuses=FUNDS,
        country="GB",
    ),
    TestCard(
        "4000000000003220",
        ("pm_card_threeDSecure2Required",),
        challenge="unless_set_up",
        country="IE",
    ),
    TestCard(
        "4000008400001629",
        ("pm_card_threeDSecureRequiredChargeDeclined",),
        challenge="always",
        refuses=GENERIC,
    ),
    TestCard("4000000000000259", ("pm_card_createDispute",), dispute="fraudulent"),
    TestCard(
        "4000000000002685",
        ("pm_card_createDisputeProductNotReceived",),
        dispute="product_not_received",
    ),
    TestCard(
        "4000000000001976",
        ("pm_card_createDisputeInquiry",),
        dispute="fraudulent",
        dispute_status="warning_needs_response",
    ),
    TestCard("4000000000007726", ("pm_card_pendingRefund",), refund="pends"),
    TestCard("4000000000005126", ("pm_card_refundFail",), refund="fails"),
    TestCard("4000000000000341", ("pm_card_chargeCustomerFail",), refuses=GENERIC),
    _refusing("4000000000000002", GENERIC, "pm_card_visa_chargeDeclined", "pm_card_chargeDeclined"),
    _refusing(
        "4000000000009995",
        FUNDS,
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedInsufficientFunds",
    ),
    _refusing("4000000000009987", LOST, "pm_card_visa_chargeDeclinedLostCard"),
    _refusing("4000000000009979", STOLEN, "pm_card_visa_chargeDeclinedStolenCard"),
    _refusing("4000000000006975", VELOCITY, "pm_card_visa_chargeDeclinedVelocityLimitExceeded"),
    TestCard("4000000000004954", ("pm_card_riskLevelHighest",), refuses=FRAUD),
    TestCard("4000000000009235", ("pm_card_riskLevelElevated",)),
    TestCard("4000000000000077", ("pm_card_bypassPending",)),
    _refusing("4100000000000019", FRAUD, "pm_card_radarBlock", "pm_card_chargeDeclinedFraudulent"),
    _refusing("4000000000000069", EXPIRED, "pm_card_chargeDeclinedExpiredCard"),
    _refusing("4000000000000127", CVC, "pm_card_chargeDeclinedIncorrectCvc"),
    _refusing("4000000000000119", PROCESSING, "pm_card_chargeDeclinedProcessingError"),
    *(
        TestCard(number, (f"pm_card_{country.lower()}",), country=country)
        for number, country in COUNTRY_BY_NUMBER.items()
    ),
)

_BY_ID = {identifier: card for card in CARDS for identifier in card.ids}
_BY_FINGERPRINT = {card.fingerprint: card for card in CARDS}
# The numbers of two cards in data files of versions before 0.9.
_BY_FINGERPRINT |= {
    _fingerprint(number): _BY_ID[identifier]
    for number, identifier in {
        "378282246310005": "pm_card_amex",
        "6011111111111117": "pm_card_discover",
    }.items()
}


def by_test_id(identifier: str) -> TestCard | None:
    """The card behind a test payment method id or a legacy test token."""
    return _BY_ID.get(identifier.replace("tok_", "pm_card_", 1))


def by_fingerprint(fingerprint: str) -> TestCard:
    """The card behind a payment method's `card.fingerprint`."""
    return _BY_FINGERPRINT[fingerprint]

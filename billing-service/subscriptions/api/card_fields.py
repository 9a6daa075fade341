"""The original's card fields: published test numbers in, a payment method's id out."""

from datetime import date
from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.api.test_cards import PAYMENT_METHOD_BY_NUMBER
from subscriptions.errors import RawCardRefused

_LONGEST_NUMBER = 40


@extend_schema_field(
    {
        "type": "string",
        "description": "One of Stripe's published test numbers; real numbers are refused.",
        "pattern": "^[0-9 -]{12,40}$",
    }
)
class TestCardNumberField(serializers.Field[str, Any, str, Any]):
    """Looks a number up and forgets it; what leaves this field is a test payment method's id."""

    # pytest would otherwise take the class for a test.
    __test__ = False

    @sensitive_variables("data", "digits")
    def to_internal_value(self, data: Any) -> str:
        """Return the payment method that stands for a published test number.

        Raises:
            RawCardRefused: Any other number, and any number at all with a live key.
        """
        digits = str(data)[:_LONGEST_NUMBER].replace(" ", "").replace("-", "")
        found = PAYMENT_METHOD_BY_NUMBER.get(digits)
        if found is None or not _is_test_key(settings.BILLING.stripe_api_secret):
            raise RawCardRefused
        return found

    def to_representation(self, value: str) -> str:
        """Never happens: the field is write-only."""
        raise NotImplementedError


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "minimum": 0, "maximum": 9999},
            {"type": "string", "pattern": "^[0-9]{3,4}$"},
        ]
    }
)
class CvcField(serializers.Field[None, Any, str, Any]):
    """Checks the shape of a card verification code and forgets it."""

    default_error_messages = {"invalid": "Enter the three or four digits."}  # noqa: RUF012 - the framework's own shape

    @sensitive_variables("data", "digits")
    def to_internal_value(self, data: Any) -> None:
        """Accept three or four digits, as a number too, as the original did."""
        digits = str(data)
        if isinstance(data, int) and not isinstance(data, bool):
            # 007 loses its zeros as a number.
            digits = digits.zfill(3)
        if not (digits.isascii() and digits.isdigit() and len(digits) in (3, 4)):
            self.fail("invalid")

    def to_representation(self, value: None) -> str:
        """Never happens: the field is write-only."""
        raise NotImplementedError


def refuse_expired(month: int, year: int, *, today: date) -> None:
    """Refuse a card whose month is over.

    Args:
        month: 1 to 12.
        year: Two or four digits.
        today: The day to compare with.

    Raises:
        serializers.ValidationError: It has expired, or no card is valid that long.
    """
    full_year = year + 2000 if year < 100 else year  # noqa: PLR2004 - two digits, as printed on cards
    if (full_year, month) < (today.year, today.month):
        raise serializers.ValidationError({"card_expiration_year": ["The card has expired."]})
    if full_year > today.year + 50:
        raise serializers.ValidationError({"card_expiration_year": ["No card is valid that long."]})


def _is_test_key(key: str) -> bool:
    return key.startswith(("sk_test_", "rk_test_"))

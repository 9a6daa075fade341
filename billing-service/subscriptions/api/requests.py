"""Reads requests: who calls, and input in which nothing is ignored and nothing is converted."""

import ipaddress
from collections.abc import Mapping
from datetime import date
from typing import IO, Any, cast
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from errors import BodyTooLarge, MalformedBody, ValidationFailed
from identity.bearer import VerifiedUser, client_ip
from identity.verifier import parse_object
from subscriptions.api.test_cards import PAYMENT_METHOD_BY_NUMBER
from subscriptions.catalogue.products import product_on_sale
from subscriptions.errors import RawCardRefused

Errors = dict[str, list[str]]

# A field's class, the JSON type it takes, and what to say of any other. DRF itself converts: it
# reads 0 as false and 5 as "5".
_JSON_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "Must be true or false."),
    (serializers.IntegerField, int, "Must be an integer."),
    (serializers.CharField, str, "Must be a string."),
)
_LONGEST_KEY = 255
_LONGEST_NUMBER = 40
_CARD_FIELDS = ("card_number", "card_expiration_month", "card_expiration_year", "card_cvc")
_PAYMENT_METHOD = r"^pm_[A-Za-z0-9_]{1,250}$"
_PATH = r"^/[^/\\\s]\S{0,500}$"


def user_id_of(request: Request) -> UUID:
    """Return the id the verified token names."""
    # The stubs think of Django's own users; REST views know one authentication, ours.
    return cast(VerifiedUser, request.user).id


def client_ip_of(request: Request) -> str | None:
    """Return the client's IP address as the gateway saw it, if it is one."""
    try:
        address = ipaddress.ip_address(client_ip(request._request))  # noqa: SLF001 - DRF's only way to Django's request
    except ValueError:
        return None
    # Limits count networks of IPv6 addresses; all of IPv4 in one of them would be one client.
    return str((address.version == 6 and address.ipv4_mapped) or address)  # noqa: PLR2004 - IPv6


def idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key header, if there is one.

    Raises:
        ValidationFailed: It is too long or not printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not key or len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise ValidationFailed({"Idempotency-Key": ["Use 1 to 255 printable ASCII characters."]})
    return key


class StrictJSONParser(BaseParser):
    """Accepts one JSON object with distinct names, of bounded length."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """Parse a body.

        Raises:
            BodyTooLarge: It is longer than DATA_UPLOAD_MAX_MEMORY_SIZE.
            MalformedBody: It is anything else than one JSON object.
        """
        longest = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(longest + 1)
        if len(body) > longest:
            raise BodyTooLarge
        try:
            return parse_object(body)
        except ValueError:
            raise MalformedBody from None


class StrictQuery(serializers.Serializer[Any]):
    """Query parameters; one that is not known is refused by its name.

    A client that sends a name means something by it: answering as if it were not there hides a
    misspelling.
    """

    def to_internal_value(self, data: Any) -> Any:
        """Check names, then values.

        Raises:
            serializers.ValidationError: Sentences by field.
        """
        if isinstance(data, Mapping) and (errors := self._refused(data)):
            raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def _refused(self, data: Mapping[str, Any]) -> Errors:
        return {name: ["This field is not known."] for name in data if name not in self.fields}


class StrictBody(StrictQuery):
    """A JSON body; a value of another type than the field's is refused as well.

    `"at_period_end": 0` must not end a subscription, and `promotion_code` not be charged in full.
    """

    def _refused(self, data: Mapping[str, Any]) -> Errors:
        return super()._refused(data) | {
            name: [sentence]
            for name, field in self.fields.items()
            for kind, json_type, sentence in _JSON_TYPES
            if isinstance(field, kind)
            and data.get(name) is not None
            and type(data[name]) is not json_type
        }


class EmptyBody(StrictBody):
    """A call that takes no fields: no body, or an empty object."""


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


@sensitive_variables("data", "serializer")
def validated(request: type[StrictQuery], data: Any) -> dict[str, Any]:
    """Return a request's validated fields.

    Args:
        request: The serializer that describes it.
        data: The parsed body or the query parameters.

    Raises:
        serializers.ValidationError: With sentences by field.
    """
    serializer = request(data=data)
    serializer.is_valid(raise_exception=True)
    fields: dict[str, Any] = serializer.validated_data
    return fields


class PaymentMethodRequest(StrictBody):
    """A payment method, or the card fields with one of Stripe's published test numbers."""

    payment_method = serializers.RegexField(_PAYMENT_METHOD, required=False)
    card_number = TestCardNumberField(required=False, write_only=True)
    card_expiration_month = serializers.IntegerField(
        required=False, write_only=True, min_value=1, max_value=12
    )
    card_expiration_year = serializers.IntegerField(
        required=False, write_only=True, min_value=0, max_value=9999
    )
    card_cvc = CvcField(required=False, write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require a payment method or all card fields, and return the payment method alone."""
        given = [name for name in _CARD_FIELDS if name in attrs]
        if "payment_method" in attrs:
            if given:
                raise serializers.ValidationError(
                    {"payment_method": ["Send payment_method or card fields, not both."]}
                )
            return attrs
        missing = [name for name in _CARD_FIELDS if name not in attrs]
        if missing:
            raise serializers.ValidationError(
                {name: ["This field is required."] for name in missing}
            )
        refuse_expired(
            attrs["card_expiration_month"],
            attrs["card_expiration_year"],
            today=timezone.now().date(),
        )
        attrs["payment_method"] = attrs["card_number"]
        return {name: value for name, value in attrs.items() if name not in _CARD_FIELDS}


class SubscribeRequest(PaymentMethodRequest):
    """What to subscribe to, and how to pay for it; a free product needs no payment method."""

    subscription_product = serializers.SlugField(max_length=64)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Look the product up, and require a payment method unless it is free.

        Raises:
            UnknownProduct: It is not on sale.
        """
        product = product_on_sale(attrs["subscription_product"])
        has_payment = any(name in attrs for name in ("payment_method", *_CARD_FIELDS))
        checked = super().validate(attrs) if has_payment or not product.is_free else attrs
        return {"payment_method": "", **checked, "product": product}


class CancelRequest(StrictBody):
    """When to end."""

    at_period_end = serializers.BooleanField(default=True)


class ChangeRequest(StrictBody):
    """What to change to."""

    subscription_product = serializers.SlugField(max_length=64)


class InvoicesQuery(StrictQuery):
    """Which page of invoices."""

    limit = serializers.IntegerField(default=10, min_value=1, max_value=100)
    after = serializers.RegexField(r"^in_[A-Za-z0-9_]{1,250}$", required=False)


class CheckoutRequest(StrictBody):
    """What to subscribe to on Stripe's page, and where it leads afterwards."""

    subscription_product = serializers.SlugField(max_length=64)
    success_path = serializers.RegexField(_PATH, required=False)
    cancel_path = serializers.RegexField(_PATH, required=False)


class PortalRequest(StrictBody):
    """Where Stripe's page leads back to."""

    return_path = serializers.RegexField(_PATH, required=False)

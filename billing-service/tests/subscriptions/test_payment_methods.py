"""What the original's card fields accept: published test cards, and nothing that could be real."""

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from subscriptions.api.test_cards import PAYMENT_METHOD_BY_NUMBER
from subscriptions.models import SubscribeAttempt
from tests.subscriptions.person import VISA, Person, card


@pytest.mark.parametrize(
    "number",
    ["4111111111111111", "4242424242424241", "", "0", "4" * 500, None, 7, [VISA], {"n": VISA}],
)
def test_any_other_number_is_refused(person: Person, number: Any) -> None:
    """The answer names the ways that keep card numbers away, and does not repeat the number."""
    answer = person.subscribe(number)

    assert answer.status_code == 400
    body = answer.content.decode()
    if number is not None:
        assert answer.json()["code"] == "raw_card_refused"
        assert "/api/subscriptions/setup-intent" in body
    assert "4111" not in body
    assert not SubscribeAttempt.objects.exists()


@pytest.mark.parametrize("key", ["sk_live_123", "rk_live_123", ""])
def test_with_a_live_key_no_number_is_accepted(
    person: Person, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Not even a test number: a live server must not get used to seeing them."""
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, stripe_api_secret=key))

    assert person.subscribe().json()["code"] == "raw_card_refused"


@pytest.mark.parametrize(
    "wrong",
    [
        {"card_expiration_month": 0},
        {"card_expiration_month": 13},
        {"card_expiration_year": 2020},
        {"card_expiration_year": 20},
        {"card_expiration_year": 2999},
        {"card_cvc": "12"},
        {"card_cvc": 12345},
        {"card_cvc": "abc"},
        {"card_cvc": True},
        {"card_cvc": None},
        {"card_cvc": -12},
        {"payment_method": "pm_card_visa"},
    ],
    ids=str,
)
def test_the_other_fields_are_checked(person: Person, wrong: dict[str, Any]) -> None:
    """The errors stand beside their fields."""
    body = {"subscription_product": "basic_subscription"} | card() | wrong
    answer = person.post("subscribe", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert set(answer.json()["errors"]) <= {*wrong, "card_expiration_year"}


@pytest.mark.parametrize(
    "given",
    [
        {"card_cvc": "007"},
        {"card_cvc": 7},
        {"card_expiration_year": 40},
        {"card_number": "4242 4242 4242 4242"},
        {"card_number": 4242424242424242},
    ],
    ids=str,
)
def test_what_people_type_is_understood(person: Person, given: dict[str, Any]) -> None:
    """Spaces, two-digit years and numbers without quotes, as the original accepted."""
    body = {"subscription_product": "basic_subscription"} | card() | given

    assert person.post("subscribe", body).status_code == 200


def test_what_is_missing_is_named(person: Person) -> None:
    """Every missing field at once."""
    answer = person.post("subscribe", {"subscription_product": "basic_subscription"})

    assert set(answer.json()["errors"]) == {
        "card_number",
        "card_expiration_month",
        "card_expiration_year",
        "card_cvc",
    }


def test_every_published_number_has_the_length_of_a_card() -> None:
    """A typing error in the table would refuse a card people read about in Stripe's pages."""
    for number in PAYMENT_METHOD_BY_NUMBER:
        digits = [int(digit) for digit in number[::-1]]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0, number
        # One of UnionPay's has 19 digits, the most a card can have (ISO/IEC 7812).
        assert 14 <= len(number) <= 19

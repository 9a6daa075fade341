"""What a client sends is taken as it stands, or refused by its name."""

from typing import Any

import pytest

from tests.subscriptions.person import Person, card

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "field", ["promotion_code", "coupon", "trial_period_days", "quantity", "Payment_Method"]
)
def test_a_field_that_would_be_ignored_is_refused_before_anything_is_charged(
    person: Person, field: str
) -> None:
    """A discount or a trial that is silently left out is a wrong charge."""
    body = {"subscription_product": "basic_subscription", field: "X"} | card()

    answer = person.post("subscribe", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert answer.json()["errors"] == {field: ["This field is not known."]}
    assert person.get("status").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("cancel", {"at_period_end": 0}, "at_period_end"),
        ("cancel", {"at_period_end": "false"}, "at_period_end"),
        ("cancel", {"at_period_end": "off"}, "at_period_end"),
        ("cancel", {"at_period_end": None}, "at_period_end"),
        ("cancel", {"at_period_ends": True}, "at_period_ends"),
        ("resume", {"now": True}, "now"),
        ("change", {"subscription_product": 5}, "subscription_product"),
        ("change", {"subscription_product": "pro_subscription", "quantity": 2}, "quantity"),
        ("change/preview", {"subscription_product": ["pro_subscription"]}, "subscription_product"),
        ("setup-intent", {"usage": "on_session"}, "usage"),
        ("portal-session", {"return_path": 1}, "return_path"),
        ("checkout-session", {"subscription_product": "x", "success_url": "y"}, "success_url"),
        ("payment-method", card() | {"card_expiration_month": "12"}, "card_expiration_month"),
        ("payment-method", card() | {"card_expiration_month": True}, "card_expiration_month"),
        ("payment-method", card() | {"card_expiration_year": 2040.0}, "card_expiration_year"),
    ],
    ids=str,
)
def test_unknown_names_and_other_types_are_refused_by_name(
    person: Person, path: str, body: dict[str, Any], field: str
) -> None:
    """Nothing is converted: what a client meant by 0, "off" or 2.0 is not for us to guess."""
    assert person.subscribe().status_code == 200

    answer = person.post(path, body)

    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert person.status()["cancel_at_period_end"] is False


def test_an_unknown_query_parameter_is_refused_by_name(person: Person) -> None:
    """A misspelt limit would answer another page than was asked for."""
    answer = person.get("invoices?limt=50")

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["limt"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"at_period_end": true, "at_period_end": false}',
        b'[{"at_period_end": true}]',
        b"true",
        b'{"at_period_end": NaN}',
        '{"at_period_end": true}'.encode("utf-16"),
        b"\xef\xbb\xbf" + b'{"at_period_end": true}',
        b'{"at_period_end": true',
        b"[" * 10_000,
    ],
    ids=["duplicate", "list", "scalar", "constant", "utf-16", "byte-order-mark", "cut", "deep"],
)
def test_what_two_readers_could_read_differently_is_refused(person: Person, body: bytes) -> None:
    """One JSON object in UTF-8 with distinct names, or nothing happens."""
    assert person.subscribe().status_code == 200

    answer = person.client.post(
        "/api/subscriptions/cancel",
        data=body,
        content_type="application/json",
        headers=person.headers,
    )

    assert answer.status_code == 400
    assert "JSON object" in answer.json()["detail"]
    assert person.words() == ("successful", "active")

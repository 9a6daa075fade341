"""The contract is the pinned SDK's own: what it says is what is checked."""

import re
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from stripe_sandbox import resources
from stripe_sandbox.api.registry import HANDLERS
from stripe_sandbox.coverage import report
from stripe_sandbox.errors import InvalidParameter
from stripe_sandbox.rules import periods
from stripe_sandbox.sdk import form_encoding, request_contract, response_shapes, source
from stripe_sandbox.sdk.endpoints import endpoint, endpoints
from stripe_sandbox.sdk.response_shapes import ShapeError, resource
from stripe_sandbox.storage import kinds
from stripe_sandbox.storage.kinds import KINDS
from stripe_sandbox.webhooks.signing import signature_header


def checked(call: str, encoded: str) -> dict[str, Any]:
    """The parameters of a call as a handler gets them."""
    return request_contract.check(endpoint(call), form_encoding.decode(encoded))


def test_the_pinned_version_is_the_sdks() -> None:
    """The sandbox answers with the version of the SDK that is installed."""
    import stripe
    from stripe import _api_version

    assert source.api_version() == _api_version._ApiVersion.CURRENT
    assert source.sdk_version() == stripe.VERSION


def test_every_handler_answers_a_call_of_the_sdk() -> None:
    """A call that a new SDK no longer has would be found here."""
    resources.load()

    assert set(HANDLERS) <= set(endpoints())
    assert len(endpoints()) > 500
    assert endpoint("subscriptions.cancel").verb == "DELETE"
    assert endpoint("invoices.create_preview").path == "/v1/invoices/create_preview"


def test_every_kind_is_a_resource_of_the_sdk() -> None:
    """Each stored kind has a class, and its links are fields of that class or private."""
    for name, kind in KINDS.items():
        fields = resource(name).fields
        for link in kind.links:
            assert link.startswith("_") or link.split(".")[0] in fields, (name, link)


def test_the_coverage_report_names_what_is_missing() -> None:
    """It counts covered calls by family, and lists families without any."""
    text = report()

    assert "API 2026-10-28.endive" in text
    assert "subscription_items" in text
    assert "without add_lines" in text
    assert "treasury.transactions" in text.split("Not covered at all")[1]


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("cancel_at=max_period_end", {"cancel_at": "max_period_end"}),
        ("cancel_at=1800000000", {"cancel_at": 1800000000}),
        ("trial_end=now", {"trial_end": "now"}),
        ("items[0][price]=p&items[1][price]=q", {"items": [{"price": "p"}, {"price": "q"}]}),
        ("items[][price]=p", {"items": [{"price": "p"}]}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("metadata[a]=&metadata[b]=2", {"metadata": {"a": "", "b": "2"}}),
        ("metadata=", {"metadata": ""}),
        ("cancel_at_period_end=true", {"cancel_at_period_end": True}),
        ("application_fee_percent=2.5", {"application_fee_percent": 2.5}),
        ("default_tax_rates=", {"default_tax_rates": ""}),
        ("description=a%20%26%20b+c", {"description": "a & b c"}),
    ],
)
def test_forms_become_typed_parameters(encoded: str, expected: dict[str, Any]) -> None:
    """Numbers, booleans, lists and objects arrive as such."""
    assert checked("subscriptions.create", encoded) == expected


@pytest.mark.parametrize(
    ("encoded", "param"),
    [
        ("items[0][prise]=p", "items[0][prise]"),
        ("items[a][price]=p", "items"),
        ("items[0][quantity]=many", "items[0][quantity]"),
        ("billing_mode[type]=sometimes", "billing_mode[type]"),
        ("metadata[a][b]=c", "metadata[a]"),
        ("customer[id]=c", "customer"),
        ("customer=a&customer[id]=c", "customer[id]"),
        ("description=" + "x" * 5001, "description"),
        ("trial_period_days=1.5", "trial_period_days"),
        ("application_fee_percent=half", "application_fee_percent"),
    ],
)
def test_a_wrong_parameter_is_named_by_its_path(encoded: str, param: str) -> None:
    """Nested parameters are named as they were sent."""
    with pytest.raises(InvalidParameter) as refused:
        checked("subscriptions.create", encoded)

    assert refused.value.param == param


def test_a_typing_error_is_guessed() -> None:
    """Stripe suggests the parameter that was probably meant."""
    with pytest.raises(InvalidParameter, match="Did you mean email"):
        checked("customers.create", "emial=a@example.com")


def test_a_field_the_class_lacks_cannot_be_answered() -> None:
    """An object with a made-up or a missing field is a defect, found at once."""
    with pytest.raises(ShapeError, match="no field current_period_end"):
        response_shapes.new("subscription", {"id": "sub_1", "current_period_end": 1})
    with pytest.raises(ShapeError, match="needs a value for amount"):
        response_shapes.new("payment_intent", {"id": "pi_1"})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"colour": "red"}, "colour: not a field"),
        ({"balance": "ten"}, "is no int"),
        ({"tax_exempt": "sometimes"}, "is not declared"),
        ({"address": {"city": "Oslo"}}, "address.line1: missing"),
        ({"invoice_settings": None}, ""),
    ],
)
def test_the_strict_check_finds_what_does_not_fit(change: dict[str, Any], problem: str) -> None:
    """Every difference between a response and its class is found and placed."""
    customer = response_shapes.new("customer", {"id": "cus_1", "created": 1, "livemode": False})
    kind = resource("customer")

    assert response_shapes.problems(kind, customer) == []
    found = response_shapes.problems(kind, {**customer, **change})
    assert problem in " ".join(found)
    assert bool(found) == bool(problem)


def test_a_missing_field_is_found() -> None:
    """A response that lacks a field of its class is not strict."""
    customer = response_shapes.new("customer", {"id": "cus_1", "created": 1, "livemode": False})
    del customer["phone"]

    assert response_shapes.problems(resource("customer"), customer) == [
        ".phone: missing, Customer declares it"
    ]


def test_the_sdk_is_not_imported_by_the_server() -> None:
    """The sources are read; importing the package would cost most of a second."""
    program = "import sys, stripe_sandbox.app; sys.exit('stripe' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "moment", "expected"),
    [
        (1769817600, "month", 1, 1769817600, (1769817600, 1772236800)),
        (1769817600, "month", 1, 1772236800, (1772236800, 1774915200)),
        (1582934400, "year", 1, 1614470400, (1614470400, 1646006400)),
        (1767225600, "week", 2, 1767225600 + 15 * 86400, (1768435200, 1769644800)),
        (1767225600, "day", 3, 1767225599, (1766966400, 1767225600)),
    ],
)
def test_periods(
    anchor: int, interval: str, count: int, moment: int, expected: tuple[int, int]
) -> None:
    """31 January, 29 February, fortnights, and moments before the anchor."""
    assert periods.around(anchor, interval, count, moment) == expected


def test_signatures_are_those_the_sdk_verifies() -> None:
    """A signature is accepted with its secret and refused with another."""
    import stripe

    header = signature_header("{}", secret="whsec_one")

    assert stripe.WebhookSignature.verify_header("{}", header, "whsec_one", 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header("{}", header, "whsec_two", 300)


def test_decimals_travel_as_text() -> None:
    """A fractional amount keeps its digits."""
    params = checked("prices.create", "currency=usd&unit_amount_decimal=0.125")

    assert Decimal(params["unit_amount_decimal"]) == Decimal("0.125")


_TYPES = {
    "billing_portal.configuration": "PortalConfiguration",
    "billing_portal.session": "PortalSession",
    "invoiceitem": "InvoiceItem",
    "test_helpers.test_clock": "TestClock",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_typed_objects_have_the_fields_of_the_sdk(kind: str) -> None:
    """A field that a new SDK renames or drops is found here, before a rule reads it."""
    title = "".join(word.title() for word in re.split("[._]", kind))
    shape = vars(kinds)[_TYPES.get(kind, title)]

    assert set(shape.__annotations__) <= set(resource(kind).fields)

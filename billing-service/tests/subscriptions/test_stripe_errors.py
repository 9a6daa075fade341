"""What Stripe refuses is named: to the caller by a code, to the operator in the log."""

import logging

import pytest
import stripe as stripe_sdk
from prometheus_client import REGISTRY

from subscriptions.errors import KeyRefused, PermissionMissing
from subscriptions.stripe_gateway import client as stripe_client
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "payment_gateway_key_refused"),
        (403, "payment_gateway_permission_missing"),
        (429, "payment_gateway_rate_limited"),
        (500, "payment_gateway_unavailable"),
    ],
)
def test_each_kind_of_refusal_has_a_code_of_its_own(
    person: Person, stripe: Sandbox, caplog: pytest.LogCaptureFixture, status: int, code: str
) -> None:
    """A wrong key is not an outage: waiting does not help, and the log says what would."""
    assert person.subscribe().status_code == 200
    before = _calls(code)

    with stripe.fault(effect="error", status=status, path="/v1/billing_portal/sessions"):
        answer = person.post("portal-session")

    assert (answer.status_code, answer.json()["code"]) == (503, code)
    record = next(each for each in caplog.records if each.message == "Stripe refused a call")
    assert record.levelno == logging.WARNING
    assert vars(record)["stripe_status"] == status
    assert vars(record)["stripe_message"]
    assert "stripe_request_id" in vars(record)
    assert _calls(code) == before + 1


def test_a_missing_permission_is_named_and_no_key_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, stripe: Sandbox
) -> None:
    """Stripe often names the permission; its message holds a part of the key."""
    message = (
        "The provided key 'rk_test_*********************abcd' does not have the required "
        "permissions for this endpoint on account 'acct_1'. Having the 'rak_customer_read' "
        "permission would allow this request to continue."
    )

    def refuse(*args: object, **kwargs: object) -> None:
        raise stripe_sdk.PermissionError(message, http_status=403)

    monkeypatch.setattr(stripe_client.client(), "raw_request", refuse)

    with pytest.raises(PermissionMissing) as refused:
        stripe_client.call_unchecked("get", "/v1/customers")

    assert refused.value.permission == "rak_customer_read"
    (record,) = [each for each in caplog.records if each.message == "Stripe refused a call"]
    assert "rak_customer_read" in vars(record)["stripe_message"]
    assert "abcd" not in vars(record)["stripe_message"]


def test_a_refused_key_is_no_outage(stripe: Sandbox) -> None:
    """Both are 503 to callers, but distinct in code."""
    with (
        stripe.fault(effect="error", status=401, path="/v1/customers"),
        pytest.raises(KeyRefused),
    ):
        stripe_client.call("get", "/v1/customers")


def _calls(outcome: str) -> float:
    name = "billing_stripe_call_seconds_count"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0

"""Automatic tax, which needs the customer's address."""

from typing import Any

import pytest

from subscriptions.stripe_gateway import subscriptions as stripe_subscriptions
from subscriptions.stripe_gateway.client import call
from tests.subscriptions.person import Person


@pytest.fixture
def _taxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new subscriptions have automatic tax, as an account's own default does."""

    def taxed(method: Any, path: str, *ids: str, params: Any = None, key: Any = None) -> Any:
        if (method, path) == ("post", "/v1/subscriptions"):
            params = {**params, "automatic_tax": {"enabled": True}}
        return call(method, path, *ids, params=params, key=key)

    monkeypatch.setattr(stripe_subscriptions, "call", taxed)


@pytest.mark.usefixtures("_taxed")
def test_a_missing_address_is_asked_for_before_anything_is_charged(person: Person) -> None:
    """One sentence says what to do; once it is done, the same call subscribes."""
    refused = person.subscribe()

    assert (refused.status_code, refused.json()["code"]) == (409, "address_required")
    assert "portal-session" in refused.json()["detail"]
    assert person.stripe.charges_of(person.id) == []
    assert person.stripe.subscriptions_of(person.id) == []
    assert person.post("portal-session").status_code == 200
    (customer,) = person.stripe.customers_of(person.id)
    person.stripe.post(f"/v1/customers/{customer['id']}", **{"address[country]": "DE"})
    assert person.subscribe().status_code == 200
    assert person.words() == ("successful", "active")

"""Restricted keys: what they may do is decided at the start."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.server import Server
from tests.test_serving import refused


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A sandbox whose restricted keys may write customers and read prices."""
    with Server("--restricted", "customer_write, rak_plan_read") as running:
        yield running


def test_a_restricted_key_does_what_it_may(server: Server) -> None:
    """Writing includes reading; reading alone does not include writing."""
    v1: Any = server.client("rk_test_billing").v1
    customer = v1.customers.create({"name": "Ada"})

    assert v1.customers.retrieve(customer.id).name == "Ada"
    assert len(v1.prices.list().data) == 2
    with pytest.raises(stripe.PermissionError, match="rak_plan_write"):
        v1.prices.update("price_sandbox_basic", {"nickname": "Mine"})


def test_a_missing_permission_is_named(server: Server) -> None:
    """The 403 names the permission as Stripe's does, and shows the key masked."""
    v1: Any = server.client("rk_test_billing").v1

    with pytest.raises(stripe.PermissionError) as refusal:
        v1.subscriptions.list()

    message = str(refusal.value.user_message)
    assert refusal.value.http_status == 403
    assert "'rak_subscription_read' permission" in message
    assert "rk_test_***ling" in message
    assert "acct_" in message


def test_a_secret_key_may_do_everything(server: Server) -> None:
    """The option is for restricted keys alone."""
    assert server.client().v1.subscriptions.list().data == []


def test_an_unknown_permission_stops_the_start() -> None:
    """A permission that is misspelt would only be found by a 403 much later."""
    code, message = refused("serve", "--port", "1", "--restricted", "custmer_write")

    assert code == 2
    assert "custmer_write" in message

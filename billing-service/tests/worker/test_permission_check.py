"""`stripe_bootstrap --check`: what an operator learns about a restricted key."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.sandbox import Sandbox, key_of, started_sandbox

_KEY = "rk_test_4eC39HqLyjWDarjtT1zdp7dc"
_NEEDED = (
    *("customer_write", "payment_method_write", "setup_intent_write", "subscription_write"),
    *("invoice_write", "checkout_session_write", "customer_portal_write", "product_write"),
    *("plan_write", "webhook_write", "event_read", "payment_intent_read", "charge_read"),
    *("dispute_read", "coupon_read"),
)


def check() -> str:
    """Run the command; return what it printed, or fail as it does."""
    out = StringIO()
    try:
        call_command("stripe_bootstrap", "--check", stdout=out, stderr=StringIO())
    except CommandError as refusal:
        raise CommandError(f"{out.getvalue()}{refusal}") from refusal
    return out.getvalue()


def test_a_key_with_all_permissions_passes_the_check(stripe: Sandbox) -> None:
    """Exit status 0; nothing is made at Stripe."""
    before = [stripe.all(f"/v1/{kind}") for kind in ("events", "customers", "webhook_endpoints")]

    assert "every permission" in check()

    after = [stripe.all(f"/v1/{kind}") for kind in ("events", "customers", "webhook_endpoints")]
    assert after == before


def test_the_documented_permissions_are_enough(stripe: Sandbox) -> None:
    """A restricted key with what docs/going-live.md lists, and nothing else."""
    with started_sandbox("--restricted", ",".join(_NEEDED)) as other, key_of(other, _KEY):
        assert "every permission" in check()


def test_each_permission_that_a_restricted_key_lacks_is_named(stripe: Sandbox) -> None:
    """As Stripe names it; reading is not enough where the service writes. Exit status 1."""
    allowed = {*_NEEDED, "subscription_read"} - {"subscription_write", "dispute_read"}
    with (
        started_sandbox("--restricted", ",".join(allowed)) as other,
        key_of(other, _KEY),
        pytest.raises(CommandError) as refused,
    ):
        check()

    assert refused.value.returncode == 1
    printed = str(refused.value)
    assert "may not write subscriptions (rak_subscription_write)" in printed
    assert "may not read disputes (rak_dispute_read)" in printed
    assert "2 permissions are missing" in printed
    assert _KEY not in printed


def test_a_check_with_a_bad_key_says_so(stripe: Sandbox) -> None:
    """A key that Stripe does not know has no permissions to list."""
    with key_of(stripe, "nonsense"), pytest.raises(CommandError, match="refused our key"):
        check()

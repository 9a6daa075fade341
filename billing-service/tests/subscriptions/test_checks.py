"""Wrong settings are named before anything starts."""

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from subscriptions.checks import check_stripe_settings


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"stripe_api_secret": ""}, "STRIPE_API_SECRET"),
        ({"stripe_api_secret": "nonsense"}, "STRIPE_API_SECRET"),
        ({"stripe_api_secret": "sk_live_1", "stripe_api_base": ""}, "STRIPE_API_SECRET"),
        ({"stripe_api_secret": "sk_live_1", "stage": "staging"}, "STRIPE_API_BASE"),
        ({"stage": "production"}, "STRIPE_API_BASE"),
        ({"stripe_api_base": "http://sandbox/v1"}, "STRIPE_API_BASE"),
        ({"stripe_basic_product_price_id": ""}, "STRIPE_BASIC_PRODUCT_PRICE_ID"),
        ({"stripe_pro_product_price_id": "prod_1"}, "STRIPE_PRO_PRODUCT_PRICE_ID"),
        (
            {"stripe_pro_product_price_id": "price_sandbox_basic"},
            "STRIPE_BASIC_PRODUCT_PRICE_ID",
        ),
        ({"stripe_webhook_secrets": ()}, "STRIPE_WEBHOOK_SECRET"),
        ({"stripe_webhook_secrets": (), "stage": "staging"}, "STRIPE_WEBHOOK_SECRET"),
        ({"stripe_webhook_secrets": ("secret",)}, "STRIPE_WEBHOOK_SECRET"),
        ({"stripe_publishable_key": "pk"}, "STRIPE_PUBLISHABLE_KEY"),
        ({"stripe_publishable_key": "pk_live_1"}, "STRIPE_PUBLISHABLE_KEY"),
    ],
    ids=str,
)
def test_a_wrong_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], named: str
) -> None:
    """One sentence that begins with the variable's name."""
    monkeypatch.setattr(settings, "BILLING", replace(settings.BILLING, **wrong))

    assert named in {message.msg.split()[0] for message in check_stripe_settings(None)}


def test_the_samples_settings_are_good() -> None:
    """A newcomer's copy of the sample file starts without a remark."""
    assert check_stripe_settings(None) == []

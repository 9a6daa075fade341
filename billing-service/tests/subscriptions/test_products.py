"""What is on sale: decided by staff here, and possible at Stripe."""

import io

import pytest
from django.core.management import call_command

from subscriptions.models import SubscriptionProduct
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person

pytestmark = pytest.mark.django_db(transaction=True)
BASIC = "basic_subscription"


def _on_sale(person: Person) -> list[str]:
    return sorted(each["name"] for each in person.get("products").json())


@pytest.mark.parametrize(
    "path", ["/v1/prices/price_sandbox_basic", "/v1/products/prod_sandbox_basic"]
)
def test_what_is_archived_and_activated_again_at_stripe_can_be_bought_again(
    person: Person, stripe: Sandbox, path: str
) -> None:
    """What is archived cannot be subscribed to, and needs no click here to come back."""
    stripe.post(path, active="false")
    try:
        person.hear_from_stripe()
        assert _on_sale(person) == ["pro_subscription"]
        assert person.subscribe().json()["code"] == "unknown_product"
    finally:
        stripe.post(path, active="true")
    person.hear_from_stripe()

    assert _on_sale(person) == [BASIC, "pro_subscription"]
    assert person.subscribe().status_code == 200


def test_what_staff_took_off_sale_stays_off_whatever_stripe_says(
    person: Person, stripe: Sandbox
) -> None:
    """Stripe's word about the price does not undo a decision of staff."""
    SubscriptionProduct.objects.filter(name=BASIC).update(on_sale=False)
    stripe.post("/v1/prices/price_sandbox_basic", active="false")
    stripe.post("/v1/prices/price_sandbox_basic", active="true")
    person.hear_from_stripe()

    assert _on_sale(person) == ["pro_subscription"]


def test_bootstrap_makes_a_deleted_endpoint_again(stripe: Sandbox) -> None:
    """A key made of the address would answer with the secret of the endpoint that is gone."""
    url = "http://127.0.0.1:9/api/stripe-webhook/"
    first = _bootstrap(url)
    (endpoint,) = [each for each in stripe.all("/v1/webhook_endpoints") if each["url"] == url]
    stripe.delete(f"/v1/webhook_endpoints/{endpoint['id']}")

    second = _bootstrap(url)

    (again,) = [each for each in stripe.all("/v1/webhook_endpoints") if each["url"] == url]
    stripe.delete(f"/v1/webhook_endpoints/{again['id']}")
    assert again["id"] != endpoint["id"]
    assert second.startswith("whsec_")
    assert second != first


def _bootstrap(url: str) -> str:
    out = io.StringIO()
    call_command("stripe_bootstrap", "--webhook-url", url, stdout=out, stderr=io.StringIO())
    lines = dict(line.split("=", 1) for line in out.getvalue().splitlines())
    return lines["STRIPE_WEBHOOK_SECRET"]

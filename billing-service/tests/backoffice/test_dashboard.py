"""What operators read off the dashboard: revenue and failed payments."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from backoffice.dashboard import charts
from subscriptions.catalogue.products import mirror_price
from subscriptions.models import SubscriptionProduct
from subscriptions.money import money_text
from subscriptions.stripe_gateway.objects import MetadataKey
from subscriptions.sync.writer import refresh_customer
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, Person
from tests.subscriptions.renewals import Renewals
from users.mirror import mirror_user


def bars(title: str) -> list[str]:
    """Return what stands beside the bars of a chart."""
    [chart] = [each for each in charts() if each.title.startswith(title)]
    return [bar.text for bar in chart.bars]


def price(stripe: Sandbox, *, name: str = "", **terms: Any) -> str:
    """Make a price at Stripe, of a product of ours if it has a name."""
    terms = {"currency": "usd", "recurring[interval]": "month"} | terms
    made: str = stripe.post("/v1/prices", **{"product_data[name]": "Made"}, **terms)["id"]
    if name:
        mirror_price(SubscriptionProduct.objects.create(name=name, price_reference=made))
    return made


def sell(stripe: Sandbox, *items: tuple[str, int], **terms: Any) -> str:
    """Sell a subscription of prices and quantities to a new user, and return its id."""
    person = Person(stripe)
    mirror_user(person.id)
    customer = stripe.post(
        "/v1/customers",
        **{
            "payment_method": "pm_card_visa",
            "invoice_settings[default_payment_method]": "pm_card_visa",
            f"metadata[{MetadataKey.USER_ID}]": str(person.id),
        },
    )["id"]
    lines: dict[str, Any] = {}
    for number, (reference, quantity) in enumerate(items):
        lines |= {f"items[{number}][price]": reference, f"items[{number}][quantity]": quantity}
    sold: str = stripe.post("/v1/subscriptions", customer=customer, **lines, **terms)["id"]
    refresh_customer(customer, cause="test")
    return sold


def coupon(stripe: Sandbox, **terms: Any) -> str:
    """Make a coupon."""
    made: str = stripe.post("/v1/coupons", **terms)["id"]
    return made


def test_revenue_counts_quantity_interval_and_our_items_alone(stripe: Sandbox) -> None:
    """Three seats, a twelfth of a year, half a cent each, and nothing of another product."""
    yearly = price(stripe, name="yearly", unit_amount=12_000, **{"recurring[interval]": "year"})
    tiny = price(stripe, name="tiny", unit_amount_decimal="0.5")
    other = price(stripe, unit_amount=70_000)

    sell(stripe, (other, 1), ("price_sandbox_basic", 3))
    sell(stripe, (yearly, 2))
    sell(stripe, ("price_sandbox_basic", 1), (tiny, 10))
    sell(stripe, (other, 1))

    # 3 x 10.00 + 2 x 120.00 / 12 + 10.00 + 10 x 0.005
    assert bars("Monthly recurring revenue, estimate") == ["60.05 USD"]


def test_revenue_is_what_is_left_after_the_discounts_that_go_on(stripe: Sandbox) -> None:
    """A percentage, an amount, one of a single item; not what was taken off once."""
    quarter = coupon(stripe, percent_off=25, duration="forever")
    five = coupon(
        stripe, amount_off=500, currency="usd", duration="repeating", duration_in_months=3
    )
    first = coupon(stripe, percent_off=50, duration="once")

    sell(stripe, ("price_sandbox_basic", 2), **{"discounts[0][coupon]": quarter})
    sell(
        stripe,
        ("price_sandbox_basic", 1),
        ("price_sandbox_pro", 1),
        **{"discounts[0][coupon]": five, "items[1][discounts][0][coupon]": quarter},
    )
    sell(stripe, ("price_sandbox_basic", 1), **{"discounts[0][coupon]": first})

    # 20.00 x 0.75; 10.00 + 25.00 x 0.75 - 5.00; 10.00
    assert bars("Monthly recurring revenue") == ["48.75 USD"]


def test_a_discount_that_is_taken_back_counts_no_more(person: Person, stripe: Sandbox) -> None:
    """Stripe reports the discount alone."""
    assert person.subscribe().status_code == 200
    (sold,) = stripe.subscriptions_of(person.id)
    path, first = f"/v1/subscriptions/{sold['id']}", coupon(stripe, percent_off=25)
    half = coupon(stripe, percent_off=50, duration="forever")
    for given in (first, half):
        stripe.post(path, **{"discounts[0][coupon]": given})
        person.hear_from_stripe()
    assert bars("Monthly recurring revenue") == ["5.00 USD"]

    stripe.delete(f"{path}/discount")
    for event in stripe.new_events():
        if event["type"] == "customer.discount.deleted":
            assert deliver(event).status_code == 200
    process_events()

    assert bars("Monthly recurring revenue") == ["10.00 USD"]


def test_a_key_that_may_not_read_coupons_costs_the_estimate_alone(stripe: Sandbox) -> None:
    """Discounts are not counted then; everything else is brought up to date."""
    quarter = coupon(stripe, percent_off=25, duration="forever")
    item_path = "/v1/subscription_items"
    with (
        stripe.fault(effect="error", status=403, method="GET", path="/v1/subscriptions/*"),
        stripe.fault(effect="error", status=403, method="GET", path=item_path),
    ):
        sell(
            stripe,
            ("price_sandbox_basic", 1),
            **{"discounts[0][coupon]": quarter, "items[0][discounts][0][coupon]": quarter},
        )

    assert bars("Monthly recurring revenue") == ["10.00 USD"]


def test_each_currency_has_its_own_decimals(stripe: Sandbox) -> None:
    """Yen have none and dinars three."""
    yen = price(stripe, name="yen", currency="jpy", unit_amount=1_200)
    dinar = price(stripe, name="dinar", currency="kwd", unit_amount=5_120)

    sell(stripe, (yen, 2))
    sell(stripe, (dinar, 1))

    assert sorted(bars("Monthly recurring revenue")) == ["2,400 JPY", "5.120 KWD"]


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123456, "usd", "1,234.56 USD"),
        (500, "ugx", "5.00 UGX"),
        (500, "jpy", "500 JPY"),
        (-5124, "kwd", "-5.124 KWD"),
        (0, "eur", "0.00 EUR"),
    ],
)
def test_amounts_are_written_as_stripe_counts_them(amount: int, currency: str, text: str) -> None:
    """ISK and UGX have no decimals, but Stripe counts hundredths of them."""
    assert money_text(amount, currency) == text


def test_a_renewal_that_fails_is_a_failed_payment(person: Person, stripe: Sandbox) -> None:
    """Refused cards of new subscribers and failed renewals, each once."""
    Person(stripe).subscribe(DECLINED)
    now = timezone.now()
    renewals = Renewals(person, now - timedelta(days=20))
    person.hear_from_stripe()
    assert bars("Failed payments")[-1] == "1"

    renewals.pay_with("pm_card_chargeCustomerFail")
    renewals.advance(now + timedelta(days=20))
    person.hear_from_stripe()
    person.hear_from_stripe()

    assert person.words()[1] == "past_due"
    assert bars("Failed payments")[-1] == "2"

"""What coupons take off, and for how long."""

from tests.scenes import DAY, HOUR, Scene

MONTH = 31 * DAY


def test_a_coupon_for_three_months_stops_after_three_months(scene: Scene) -> None:
    """A repeating coupon halves three invoices and no fourth."""
    coupon = scene.v1.coupons.create(
        {"percent_off": 50, "duration": "repeating", "duration_in_months": 3}
    )
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, discounts=[{"coupon": coupon.id}])

    scene.after(58 * DAY)
    scene.after(115 * DAY)

    paid = [i.amount_paid for i in scene.v1.invoices.list({"customer": customer.id}).data][::-1]
    assert paid == [500, 500, 500, 1000]
    assert subscription.discounts


def test_a_coupon_used_once_halves_the_first_invoice_only(scene: Scene) -> None:
    """Duration `once` is used up by the first invoice."""
    coupon = scene.v1.coupons.create({"amount_off": 300, "currency": "usd", "duration": "once"})
    customer = scene.on_a_clock().customer()
    scene.subscription(customer, discounts=[{"coupon": coupon.id}])

    scene.after(MONTH + 2 * HOUR)

    paid = [i.amount_paid for i in scene.v1.invoices.list({"customer": customer.id}).data][::-1]
    assert paid == [700, 1000]

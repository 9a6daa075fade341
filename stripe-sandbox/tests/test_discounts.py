"""What coupons take off, and for how long."""

from typing import Any

import pytest
import stripe

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


def test_a_deleted_coupon_goes_on_for_those_who_have_it(scene: Scene) -> None:
    """Renewals and previews keep the discount; nobody new can redeem the coupon."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    customer = scene.on_a_clock().customer()
    subscription = scene.subscription(customer, discounts=[{"coupon": coupon.id}])
    scene.v1.coupons.delete(coupon.id)

    scene.after(MONTH + 2 * HOUR)
    preview = scene.v1.invoices.create_preview({"subscription": subscription.id})

    assert scene.seen(subscription).latest_invoice.amount_paid == 500
    assert preview.amount_due == 500
    with pytest.raises(stripe.InvalidRequestError, match="No such coupon"):
        scene.subscription(scene.customer(), discounts=[{"coupon": coupon.id}])


def test_a_code_that_cannot_be_redeemed_is_refused(scene: Scene) -> None:
    """Switched off, expired, used up, or another customer's: no discount is given."""
    other = scene.customer()
    codes = [
        code_for(scene, active=False),
        code_for(scene, expires_at=1),
        code_for(scene, customer=other.id),
        code_for(scene, max_redemptions=1),
    ]
    scene.subscription(scene.customer(), discounts=[{"promotion_code": codes[3]}])

    for code in codes:
        with pytest.raises(stripe.InvalidRequestError, match="cannot be redeemed"):
            scene.subscription(scene.customer(), discounts=[{"promotion_code": code}])

    allowed = scene.subscription(other, discounts=[{"promotion_code": codes[2]}])
    used_up = scene.v1.promotion_codes.retrieve(codes[3])
    assert allowed.latest_invoice.total == 500
    assert (used_up.active, used_up.times_redeemed) == (False, 1)


def code_for(scene: Scene, **restricted: Any) -> str:
    """A promotion code for a coupon of its own, which takes half off."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    promotion = {"type": "coupon", "coupon": coupon.id}
    return str(scene.v1.promotion_codes.create({"promotion": promotion, **restricted}).id)


def test_a_coupon_ends_at_its_time(scene: Scene) -> None:
    """After `redeem_by` it is not valid and not redeemed."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "redeem_by": 1})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.subscription(scene.customer(), discounts=[{"coupon": coupon.id}])

    assert refused.value.code == "coupon_expired"
    assert not scene.v1.coupons.retrieve(coupon.id).valid


def test_a_coupon_in_another_currency_is_refused(scene: Scene) -> None:
    """Five euros cannot be taken off dollars."""
    coupon = scene.v1.coupons.create({"amount_off": 500, "currency": "eur"})

    with pytest.raises(stripe.InvalidRequestError, match="currency"):
        scene.subscription(scene.customer(), discounts=[{"coupon": coupon.id}])

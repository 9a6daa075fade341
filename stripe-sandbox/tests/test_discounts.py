"""What coupons take off, and for how long."""

from typing import Any

import pytest
import stripe

from tests.scenes import BASIC, DAY, HOUR, PRO, Scene

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
    """Renewals and previews keep the discount; no other customer can redeem the coupon."""
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
    """An inactive, expired or used up code, or another customer's, gives no discount."""
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


def test_a_coupon_for_one_product_reduces_its_lines_alone(scene: Scene) -> None:
    """`applies_to` is shown when it is expanded."""
    v1 = scene.v1
    basic = v1.prices.retrieve(BASIC).product
    coupon = v1.coupons.create(
        {"percent_off": 50, "duration": "forever", "applies_to": {"products": [basic]}}
    )

    subscription = scene.subscription(
        scene.customer(),
        items=[{"price": BASIC}, {"price": PRO}],
        discounts=[{"coupon": coupon.id}],
    )

    assert subscription.latest_invoice.total == 500 + 2500
    assert "applies_to" not in v1.coupons.retrieve(coupon.id)
    seen = v1.coupons.retrieve(coupon.id, {"expand": ["applies_to"]})
    assert seen.applies_to.products == [basic]
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        v1.coupons.create({"percent_off": 5, "applies_to": {"products": ["prod_none"]}})


def test_an_items_discount_comes_before_the_subscriptions(scene: Scene) -> None:
    """It reduces the subtotal; what is left is discounted as a whole; at a renewal too."""
    v1 = scene.v1
    five = v1.coupons.create({"amount_off": 500, "currency": "usd", "duration": "once"})
    half = v1.coupons.create({"percent_off": 50, "duration": "forever"})

    subscription = scene.on_a_clock().subscription(
        scene.customer(),
        items=[{"price": BASIC, "discounts": [{"coupon": five.id}]}, {"price": PRO}],
        discounts=[{"coupon": half.id}],
    )
    scene.after(32 * DAY)

    first, second = subscription.latest_invoice, scene.seen(subscription).latest_invoice
    line = next(one for one in first.lines.data if one.pricing.price_details.price == BASIC)
    assert (first.subtotal, first.total) == (3000, 1500)
    assert [one.amount for one in line.discount_amounts] == [500, 250]
    assert len(line.discounts) == len(subscription["items"].data[0].discounts) == 1
    assert (second.subtotal, second.total) == (3500, 1750)


def test_an_items_discount_can_be_changed(scene: Scene) -> None:
    """Through the subscription and through the item; an empty one takes it off."""
    v1 = scene.v1
    half = v1.coupons.create({"percent_off": 50, "duration": "forever"})
    subscription = scene.subscription(scene.customer())
    item = subscription["items"].data[0].id

    given = v1.subscription_items.update(item, {"discounts": [{"coupon": half.id}]})
    preview = v1.invoices.create_preview({"subscription": subscription.id})
    taken = v1.subscriptions.update(subscription.id, {"items": [{"id": item, "discounts": ""}]})

    assert len(given.discounts) == 1
    assert preview.total == 500
    assert taken["items"].data[0].discounts == []


def test_an_invoice_items_discount_is_its_own(scene: Scene) -> None:
    """The other item of the invoice costs what it costs."""
    v1, customer = scene.v1, scene.customer()
    half = v1.coupons.create({"percent_off": 50, "duration": "once"})
    item = {"customer": customer.id, "currency": "usd", "amount": 1000}
    v1.invoice_items.create({**item, "discounts": [{"coupon": half.id}]})
    v1.invoice_items.create(item)

    invoice = v1.invoices.create(
        {"customer": customer.id, "pending_invoice_items_behavior": "include"}
    )

    assert (invoice.subtotal, invoice.total) == (1500, 1500)


def test_a_code_for_the_first_purchase_is_for_the_first_purchase(scene: Scene) -> None:
    """Who has paid before cannot redeem it."""
    code = promotion_code(scene, restrictions={"first_time_transaction": True})
    newcomer, known = scene.customer(), scene.customer()
    scene.subscription(known)
    wanted = [{"promotion_code": code.id}]

    assert scene.subscription(newcomer, discounts=wanted).latest_invoice.total == 500
    with pytest.raises(stripe.InvalidRequestError, match="prior transactions"):
        scene.subscription(known, discounts=wanted)


def test_a_code_can_require_a_minimum_amount(scene: Scene) -> None:
    """In its currency; the amount needs one."""
    minimum = {"minimum_amount": 2000, "minimum_amount_currency": "USD"}
    code = promotion_code(scene, restrictions=minimum)
    wanted = [{"promotion_code": code.id}]

    assert scene.subscription(scene.customer(), PRO, discounts=wanted).latest_invoice.total == 1250
    with pytest.raises(stripe.InvalidRequestError, match="minimum amount"):
        scene.subscription(scene.customer(), BASIC, discounts=wanted)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        promotion_code(scene, restrictions={"minimum_amount": 2000})
    assert refused.value.param == "restrictions[minimum_amount_currency]"
    assert code.restrictions.minimum_amount_currency == "usd"


def promotion_code(scene: Scene, **values: Any) -> Any:
    """A code for half off, forever."""
    coupon = scene.v1.coupons.create({"percent_off": 50, "duration": "forever"})
    wanted = {"promotion": {"type": "coupon", "coupon": coupon.id}, **values}
    return scene.v1.promotion_codes.create(wanted)

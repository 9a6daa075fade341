"""Wrong calls get Stripe's status, type, code and parameter."""

from typing import Any

import httpx
import pytest
import stripe

from tests import plain_http
from tests.refusing import error_in
from tests.scenes import BASIC, Scene
from tests.server import Server

Json = dict[str, Any]

KEY = {"Authorization": "Bearer sk_test_sandbox"}
PRICED = "currency=usd&product=prod_sandbox_basic"


def post(server: Server, path: str, data: Json, **headers: str) -> httpx.Response:
    """A raw call, for requests that the SDK would not let through."""
    return plain_http.post(server.url + path, data=data, headers={**KEY, **headers})


@pytest.mark.parametrize(
    ("path", "sent", "code", "param"),
    [
        ("customers", {"emial": "a@b.c"}, "parameter_unknown", "emial"),
        ("customers", {"address[planet]": "x"}, "parameter_unknown", "address[planet]"),
        ("customers", {"coupon": "old"}, "parameter_unknown", "coupon"),
        ("products", {"name": ""}, "parameter_invalid_empty", "name"),
        ("payment_intents", {"amount": "500"}, "parameter_missing", "currency"),
        (
            "payment_intents",
            {"amount": "x", "currency": "usd"},
            "parameter_invalid_integer",
            "amount",
        ),
        ("payment_intents", {"amount": "5", "currency": "usd"}, "amount_too_small", "amount"),
        ("subscriptions", {"items[0][price]": BASIC}, "parameter_missing", "customer"),
        ("subscriptions", {"customer": "cus_0"}, "resource_missing", "customer"),
        ("subscriptions", {"customer": "cus_0", "coupon": "old"}, "parameter_unknown", "coupon"),
        ("prices", {"currency": "usd", "unit_amount": "1"}, "parameter_missing", "product"),
        ("webhook_endpoints", {"url": "http://x"}, "parameter_missing", "enabled_events"),
        ("customers", {"payment_method": "pm_none"}, "resource_missing", "payment_method"),
    ],
)
def test_a_wrong_parameter_is_named(
    server: Server, path: str, sent: Json, code: str, param: str
) -> None:
    """The error says which parameter is wrong, and in which way."""
    answer = post(server, f"/v1/{path}", sent)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"payment_behavior": "sometimes"}, "payment_behavior"),
        ({"cancel_at_period_end": "maybe"}, "cancel_at_period_end"),
        ({"items": "price"}, "items"),
        ({"metadata": "text"}, "metadata"),
        ({"trial_settings[end_behavior][missing_payment_method]": "x"}, None),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(
    server: Server, scene: Scene, sent: Json, param: str | None
) -> None:
    """Enums, booleans, arrays and objects are checked, nested ones too."""
    customer = scene.customer()

    answer = post(server, "/v1/subscriptions", {"customer": customer.id, **sent})

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == (param or "trial_settings[end_behavior][missing_payment_method]")


def test_an_unknown_id_is_missing(client: Any) -> None:
    """A wrong id in the path is a 404 that repeats it."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.subscriptions.retrieve("sub_none")

    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert refused.value.user_message == "No such subscription: 'sub_none'"


def test_a_subscription_needs_something_to_charge(scene: Scene) -> None:
    """Without a payment method the first invoice cannot be collected."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.subscription(scene.customer(None))

    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sk_live_51abcdefghijkl", "Invalid API Key provided: sk_live_**********ijkl"),
        ("rk_live_51abcdefghijkl", "Invalid API Key provided: rk_live_**********ijkl"),
        ("undefined", "Invalid API Key provided: *****ined"),
    ],
)
def test_a_wrong_key_is_refused(server: Server, key: str, words: str) -> None:
    """A live key never gets anywhere, and is not repeated in the answer."""
    answer = plain_http.get(
        f"{server.url}/v1/customers", headers={"Authorization": f"Bearer {key}"}
    )

    assert answer.status_code == 401
    assert words in answer.json()["error"]["message"]
    assert key[:-4] not in answer.text


def test_a_missing_key_is_refused(server: Server) -> None:
    """Without a key nothing is answered."""
    assert plain_http.get(f"{server.url}/v1/customers").status_code == 401


def test_an_endpoint_that_is_not_covered_says_so(client: Any) -> None:
    """What Stripe has and the sandbox has not is a 501 that names it."""
    with pytest.raises(stripe.APIError) as refused:
        client.v1.payouts.list()

    assert refused.value.http_status == 501
    assert "`payouts.list`" in str(refused.value)
    assert error_in(refused)["code"] == "sandbox_not_covered"


def test_a_parameter_that_is_not_covered_says_so(scene: Scene) -> None:
    """A parameter that would be ignored is refused by name, and nothing is done."""
    customer = scene.customer()

    with pytest.raises(stripe.APIError) as refused:
        scene.subscription(customer, application_fee_percent=5)

    assert "`application_fee_percent`" in str(refused.value)
    assert not scene.v1.subscriptions.list({"customer": customer.id}).data


def test_an_unknown_url_is_not_stripes(server: Server) -> None:
    """A path that Stripe does not have is a 404."""
    answer = post(server, "/v1/unicorns", {})

    assert answer.status_code == 404
    assert "Unrecognized request URL" in answer.json()["error"]["message"]


def test_an_ended_subscription_cannot_be_changed_or_canceled_again(scene: Scene) -> None:
    """Only its metadata may change."""
    subscription = scene.subscription(scene.customer())
    scene.v1.subscriptions.cancel(subscription.id)

    with pytest.raises(stripe.InvalidRequestError) as changed:
        scene.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError) as again:
        scene.v1.subscriptions.cancel(subscription.id)

    assert changed.value.code == "invalid_canceled_subscription_fields"
    assert (again.value.http_status, again.value.code) == (404, "resource_missing")
    updated = scene.v1.subscriptions.update(subscription.id, {"metadata": {"kept": "yes"}})
    assert updated.metadata["kept"] == "yes"


def test_what_cannot_be_expanded_is_named(scene: Scene) -> None:
    """A wrong path in `expand` is refused."""
    customer = scene.customer()

    with pytest.raises(stripe.InvalidRequestError, match=r"cannot be expanded \(email\)"):
        scene.v1.customers.retrieve(customer.id, {"expand": ["email"]})


def test_an_invoice_changes_status_only_as_stripe_allows(scene: Scene) -> None:
    """A paid invoice can be neither paid, voided nor finalised again."""
    invoice = scene.subscription(scene.customer()).latest_invoice.id
    invoices = scene.v1.invoices

    for refused in (invoices.pay, invoices.void_invoice, invoices.finalize_invoice):
        with pytest.raises(stripe.InvalidRequestError):
            refused(invoice)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("customers", "balance=1000000000000000"),
        ("customers", "expand[²]=default_source"),
        ("customers", "metadata" + "[a]" * 2000 + "=b"),
        ("coupons", "amount_off=1000000000000000&currency=usd"),
        ("prices", f"{PRICED}&unit_amount=1000000000000000"),
        ("prices", f"{PRICED}&unit_amount_decimal=1000000000000000.5"),
        ("prices", f"{PRICED}&unit_amount=1&transform_quantity[divide_by]=0"),
        ("invoiceitems", "customer={customer}&amount=1&period[start]=1&period[end]=900000000000"),
        ("invoices", "customer={customer}&due_date=900000000000"),
        ("invoices", "customer={customer}&days_until_due=1000000000000"),
        ("subscriptions/{subscription}", "cancel_at=900000000000"),
        ("subscriptions/{subscription}", "items[0][deleted]=true"),
        (
            "subscriptions/{subscription}",
            "items[0][id]={item}&items[0][deleted]=true&items[1][id]={item}&items[1][deleted]=true",
        ),
        (
            "subscriptions/{subscription}",
            "items[0][id]={item}&items[0][quantity]=9000000000&proration_behavior=none",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_it_breaks_anything(
    server: Server, unpaying: Json, path: str, sent: str
) -> None:
    """Absurd numbers, names and changes are the caller's mistake, never a 500."""
    answer = plain_http.post(
        f"{server.url}/v1/{path.format(**unpaying)}",
        content=sent.format(**unpaying),
        headers={**KEY, "Content-Type": "application/x-www-form-urlencoded"},
    )

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.fixture
def unpaying(scene: Scene) -> Json:
    """The ids of a customer without a card, of a subscription, and of its item."""
    customer = scene.customer()
    subscription = scene.subscription(customer)
    scene.v1.payment_methods.detach(customer.invoice_settings.default_payment_method)
    ids = {"customer": customer.id, "subscription": subscription.id}
    return ids | {"item": subscription["items"].data[0].id}


def test_a_change_that_must_be_paid_needs_something_to_charge(scene: Scene, unpaying: Json) -> None:
    """`error_if_incomplete` without any card says that there is none."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        scene.v1.subscriptions.update(
            unpaying["subscription"],
            {
                "items": [{"id": unpaying["item"], "quantity": 2}],
                "payment_behavior": "error_if_incomplete",
                "proration_behavior": "always_invoice",
            },
        )

    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


def test_odd_requests_are_answered(scene: Scene, unpaying: Json) -> None:
    """A preview may name its anchor."""
    preview = scene.v1.invoices.create_preview(
        {
            "customer": unpaying["customer"],
            "subscription_details": {
                "items": [{"price": BASIC}],
                "billing_cycle_anchor": {"type": "now"},
            },
        }
    )

    assert preview.amount_due == 1000


def test_a_deletion_reads_its_body(server: Server) -> None:
    """Parameters that come with a DELETE in its body are checked like any other."""
    answer = plain_http.request(
        "DELETE", f"{server.url}/v1/subscriptions/sub_1", data={"unicorn": "1"}, headers=KEY
    )

    assert answer.json()["error"]["code"] == "parameter_unknown"


def test_a_restriction_that_would_have_no_effect_is_refused(scene: Scene) -> None:
    """A code that was to be restricted is not made without its restriction."""
    coupon = scene.v1.coupons.create({"percent_off": 10})
    promotion = {"type": "coupon", "coupon": coupon.id}
    restrictions = {"currency_options": {"eur": {"minimum_amount": 500}}}

    with pytest.raises(stripe.APIError) as refused:
        scene.v1.promotion_codes.create({"promotion": promotion, "restrictions": restrictions})

    assert refused.value.http_status == 501
    assert error_in(refused)["param"] == "restrictions[currency_options]"


def test_a_parameter_counts_even_where_it_does_not_matter(scene: Scene) -> None:
    """What Stripe takes is taken, also when nothing is due or something else decides."""
    customer = scene.customer()
    card = customer.invoice_settings.default_payment_method
    draft = scene.v1.invoices.create({"customer": customer.id, "auto_advance": False})

    paid = scene.v1.invoices.pay(draft.id, {"off_session": True, "payment_method": card})
    intent = scene.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": card,
            "confirm": True,
            "off_session": True,
            "error_on_requires_action": True,
            "return_url": "https://example.com",
        }
    )

    assert (paid.status, intent.status) == ("paid", "succeeded")


def test_a_subscription_that_never_began_can_hardly_be_changed(scene: Scene) -> None:
    """Until it is paid, only its metadata and payment method may be set, not what it costs."""
    subscription = scene.subscription(scene.customer("pm_card_chargeCustomerFail"))
    item = subscription["items"].data[0].id

    for change in ({"items": [{"id": item, "quantity": 2}]}, {"cancel_at_period_end": True}):
        with pytest.raises(stripe.InvalidRequestError, match="incomplete"):
            scene.v1.subscriptions.update(subscription.id, change)
    with pytest.raises(stripe.InvalidRequestError, match="incomplete"):
        scene.v1.subscription_items.update(item, {"quantity": 2})

    named = scene.v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}})
    assert (named.status, named["items"].data[0].quantity) == ("incomplete", 1)


def test_items_of_an_ended_subscription_stay(scene: Scene) -> None:
    """No customer is charged for an item added after the end."""
    subscription = scene.subscription(scene.customer())
    scene.v1.subscriptions.cancel(subscription.id)
    items = scene.v1.subscription_items

    with pytest.raises(stripe.InvalidRequestError) as added:
        items.create(
            {
                "subscription": subscription.id,
                "price": BASIC,
                "proration_behavior": "always_invoice",
            }
        )
    with pytest.raises(stripe.InvalidRequestError) as changed:
        items.update(subscription["items"].data[0].id, {"quantity": 2})

    assert added.value.code == changed.value.code == "invalid_canceled_subscription_fields"


@pytest.mark.parametrize(
    ("call", "values", "status", "param"),
    [
        (
            "subscriptions.create",
            {
                "payment_settings": {
                    "payment_method_options": {"upi": {"mandate_options": {"amount": 5}}}
                }
            },
            501,
            "payment_settings[payment_method_options][upi]",
        ),
        (
            "subscriptions.create",
            {
                "payment_settings": {
                    "payment_method_options": {"card": {"request_three_d_secure": "any"}}
                }
            },
            501,
            "payment_settings[payment_method_options][card][request_three_d_secure]",
        ),
        (
            "subscriptions.create",
            {"payment_settings": {"payment_method_types": ["sepa_debit"]}},
            501,
            "payment_settings[payment_method_types]",
        ),
        (
            "subscriptions.create",
            {"trial_settings": {"end_behavior": {"billing_cycle_anchor": "unchanged"}}},
            501,
            "trial_settings[end_behavior][billing_cycle_anchor]",
        ),
        (
            "invoices.create",
            {"automatic_tax": {"enabled": False, "liability": {"type": "self", "account": "a"}}},
            501,
            "automatic_tax[liability][account]",
        ),
        (
            "checkout.sessions.create",
            {
                "mode": "subscription",
                "success_url": "https://shop.example.com",
                "line_items": [{"price": BASIC, "quantity": 1}],
                "payment_intent_data": {"description": "Ignored"},
            },
            400,
            "payment_intent_data",
        ),
    ],
)
def test_a_nested_parameter_is_never_ignored(
    scene: Scene, call: str, values: dict[str, Any], status: int, param: str
) -> None:
    """What Stripe knows and the sandbox would not act on is refused by its path."""
    family, _, method = call.rpartition(".")
    service: Any = scene.v1
    for name in family.split("."):
        service = getattr(service, name)
    if call != "checkout.sessions.create":
        values = values | {"customer": scene.customer().id}
    if call == "subscriptions.create":
        values = values | {"items": [{"price": BASIC}]}

    with pytest.raises(stripe.StripeError) as refused:
        getattr(service, method)(values)

    assert (refused.value.http_status, error_in(refused)["param"]) == (status, param)

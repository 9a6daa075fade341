"""The pages a paying customer sees: 3-D Secure, invoice, checkout, portal."""

import re
from typing import Any

import httpx
import pytest

from tests.scenes import BASIC, Scene, intent_of

ASKS_FOR_3DS = "4000 0027 6000 3184"
DECLINED = "4000000000000002"
SHOP = "http://shop.example"


def forms(page: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Each form's address and hidden fields by the words on its button."""
    found = {}
    for action, inside in re.findall(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', page, re.S):
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', inside))
        words = re.search(r"<button[^>]*>(?:<svg.*?</svg>)?([^<]+)</button>", inside, re.S)
        assert words
        found[words[1].strip()] = (action, hidden)
    return found


def press(browser: httpx.Client, page: str, button: str, **fields: str) -> httpx.Response:
    """Fill in the form with this button and send it."""
    action, hidden = forms(browser.get(page).text)[button]
    return browser.post(action, data={**hidden, **fields})


def alert(answer: httpx.Response) -> str:
    """What a page says went wrong."""
    found = re.search(r'role="alert">([^<]*)<', answer.text)
    return found[1] if found else ""


def test_three_d_secure_completed(browser: httpx.Client, scene: Scene) -> None:
    """The customer authenticates on the bank's page, and the subscription is active."""
    customer = scene.customer(card="pm_card_authenticationRequired")
    subscription = scene.subscription(customer, payment_behavior="allow_incomplete")
    page = f"/hosted/authenticate/{intent_of(subscription).id}"

    answer = press(browser, page, "Complete authentication")

    assert answer.headers["location"] == page
    assert "Authentication completed" in browser.get(page).text
    assert scene.seen(subscription).status == "active"


def test_three_d_secure_failed(browser: httpx.Client, scene: Scene) -> None:
    """A failed authentication charges nothing, and the page says so."""
    customer = scene.customer(card="pm_card_authenticationRequired")
    subscription = scene.subscription(customer, payment_behavior="allow_incomplete")
    page = f"/hosted/authenticate/{intent_of(subscription).id}"

    press(browser, page, "Fail authentication")

    assert "Authentication failed" in browser.get(page).text
    assert intent_of(scene.seen(subscription)).status == "requires_payment_method"


@pytest.mark.parametrize(
    ("button", "status"),
    [("Complete authentication", "succeeded"), ("Fail authentication", "failed")],
)
def test_three_d_secure_returns_to_the_shop(
    browser: httpx.Client, scene: Scene, button: str, status: str
) -> None:
    """A payment with a return address comes back with its id and how it went."""
    intent = scene.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "return_url": f"{SHOP}/back?order=7",
        }
    )

    answer = press(browser, f"/hosted/authenticate/{intent.id}", button)

    to = httpx.URL(answer.headers["location"])
    assert (to.host, to.path, to.params["order"]) == ("shop.example", "/back", "7")
    assert to.params["payment_intent"] == intent.id
    assert to.params["payment_intent_client_secret"] == intent.client_secret
    assert to.params["redirect_status"] == status


def test_a_card_is_set_up_with_three_d_secure(browser: httpx.Client, scene: Scene) -> None:
    """Setup intents use the same page."""
    intent = scene.v1.setup_intents.create(
        {
            "customer": scene.customer(card=None).id,
            "payment_method": "pm_card_authenticationRequired",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )

    press(browser, f"/hosted/authenticate/{intent.id}", "Complete authentication")

    assert scene.v1.setup_intents.retrieve(intent.id).status == "succeeded"


def test_an_unknown_payment_is_not_found(browser: httpx.Client) -> None:
    """A mistyped address is a 404 in words, not a stack trace."""
    assert browser.get("/hosted/authenticate/pi_never").status_code == 404
    assert browser.post("/hosted/authenticate/pi_never").status_code == 404


@pytest.fixture
def unpaid(scene: Scene) -> Any:
    """An open invoice whose customer's card was declined."""
    customer = scene.customer(card="pm_card_chargeCustomerFail")
    return scene.subscription(customer, payment_behavior="allow_incomplete").latest_invoice


def test_an_invoice_is_paid_with_another_card(
    browser: httpx.Client, scene: Scene, unpaid: Any
) -> None:
    """The address Stripe would send by mail leads to a page where the invoice is paid."""
    answer = press(browser, unpaid.hosted_invoice_url, "Pay $10.00", number="4242424242424242")

    assert answer.status_code == 303
    assert scene.v1.invoices.retrieve(unpaid.id).status == "paid"
    assert "Paid" in browser.get(unpaid.hosted_invoice_url).text


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (DECLINED, 402, "Your card was declined."),
        ("4000 0000 0000 0341", 402, "Your card was declined."),
        ("4111 1111 1111 1111", 400, "Only test card numbers work here"),
        ("not a card", 400, "Only test card numbers work here"),
    ],
)
def test_an_invoice_is_not_paid_with_a_bad_card(
    browser: httpx.Client, scene: Scene, unpaid: Any, number: str, status: int, words: str
) -> None:
    """The page says why, keeps the form, and never repeats what was typed."""
    answer = press(browser, unpaid.hosted_invoice_url, "Pay $10.00", number=number)

    assert answer.status_code == status
    assert words in alert(answer)
    assert "Pay $10.00" in forms(answer.text)
    # The list of test cards under the field names them all.
    shown = re.sub(r"<datalist.*?</datalist>|<table.*?</table>", "", answer.text, flags=re.S)
    assert number not in shown
    assert scene.v1.invoices.retrieve(unpaid.id).status == "open"


def test_an_invoice_leads_to_three_d_secure(
    browser: httpx.Client, scene: Scene, unpaid: Any
) -> None:
    """A card that wants 3-D Secure sends its owner to the bank, and then the invoice is paid."""
    answer = press(browser, unpaid.hosted_invoice_url, "Pay $10.00", number=ASKS_FOR_3DS)
    waiting = browser.get(unpaid.hosted_invoice_url).text
    bank = answer.headers["location"]

    press(browser, bank, "Complete authentication")

    assert f'href="{bank}"' in waiting
    assert scene.v1.invoices.retrieve(unpaid.id).status == "paid"


def test_an_invoice_is_kept_as_pdf(browser: httpx.Client, unpaid: Any) -> None:
    """`invoice_pdf` is a PDF that names the invoice and what is due."""
    answer = browser.get(unpaid.invoice_pdf)

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-1.4")
    assert unpaid.number.encode() in answer.content
    assert b"Still due $10.00" in answer.content


def session_of(scene: Scene, mode: str = "subscription", **values: Any) -> Any:
    """A checkout session for the basic subscription."""
    params: dict[str, Any] = {
        "mode": mode,
        "line_items": [{"price": BASIC, "quantity": 1}],
        "success_url": f"{SHOP}/thanks?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{SHOP}/cart",
        **values,
    }
    return scene.v1.checkout.sessions.create(params)


def test_checkout_sells_a_subscription(browser: httpx.Client, scene: Scene) -> None:
    """A stranger pays with a test card, becomes a customer and returns to the shop."""
    session = session_of(scene)

    answer = press(
        browser, session.url, "Subscribe", number="4242424242424242", email="new@example.com"
    )

    assert answer.headers["location"] == f"{SHOP}/thanks?session={session.id}"
    done = scene.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer", "subscription"]})
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert done.subscription.status == "active"
    assert done.customer.email == "new@example.com"


def test_checkout_waits_for_three_d_secure(browser: httpx.Client, scene: Scene) -> None:
    """The session completes, and the customer returns, once the bank is content."""
    session = session_of(scene, customer=scene.customer(card=None, email="known@example.com").id)

    bank = press(browser, session.url, "Subscribe", number=ASKS_FOR_3DS).headers["location"]
    before = scene.v1.checkout.sessions.retrieve(session.id).status
    answer = press(browser, bank, "Complete authentication")

    assert before == "open"
    assert answer.headers["location"] == f"{SHOP}/thanks?session={session.id}"
    assert scene.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_a_declined_checkout_can_be_tried_again(browser: httpx.Client, scene: Scene) -> None:
    """A decline leaves no subscription behind; another card completes the same session."""
    customer = scene.customer(card=None, email="again@example.com")
    session = session_of(scene, customer=customer.id)

    declined = press(browser, session.url, "Subscribe", number=DECLINED)
    left = scene.v1.subscriptions.list({"customer": customer.id, "status": "all"}).data
    press(browser, session.url, "Subscribe", number="4242424242424242")

    assert declined.status_code == 402
    assert alert(declined) == "Your card was declined."
    assert left == []
    assert scene.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_a_checkout_whose_three_d_secure_failed_starts_over(
    browser: httpx.Client, scene: Scene
) -> None:
    """A failed attempt is undone; the next one leaves one subscription, and it is active."""
    customer = scene.customer(card=None, email="twice@example.com")
    session = session_of(scene, customer=customer.id)

    bank = press(browser, session.url, "Subscribe", number=ASKS_FOR_3DS).headers["location"]
    back = press(browser, bank, "Fail authentication").headers["location"]
    press(browser, session.url, "Subscribe", number=ASKS_FOR_3DS)
    press(browser, session.url, "Subscribe", number="4242424242424242")

    every = scene.v1.subscriptions.list({"customer": customer.id, "status": "all"}).data
    done = scene.v1.checkout.sessions.retrieve(session.id)
    assert back == f"/hosted/checkout/{session.id}"
    assert [one.status for one in every] == ["active", "incomplete_expired", "incomplete_expired"]
    assert (done.status, done.subscription) == ("complete", every[0].id)


@pytest.mark.parametrize(
    ("mode", "recurring", "button"),
    [("subscription", {"recurring": {"interval": "month"}}, "Subscribe"), ("payment", {}, "Pay $")],
)
def test_checkout_sells_what_was_described_on_the_spot(
    browser: httpx.Client, scene: Scene, mode: str, recurring: Any, button: str
) -> None:
    """`price_data` with a product of its own is charged, once or every month."""
    described = {"currency": "usd", "unit_amount": 1200, "product_data": {"name": "Tea"}}
    item = {"price_data": described | recurring, "quantity": 2}
    session = session_of(scene, mode, line_items=[item])
    words = next(one for one in forms(browser.get(session.url).text) if one.startswith(button))

    press(browser, session.url, words, number="4242424242424242", email="tea@example.com")

    done = scene.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status, done.amount_total) == ("complete", "paid", 2400)


def test_checkout_shows_what_will_be_charged(scene: Scene) -> None:
    """A coupon is off the total; a trial costs nothing today."""
    coupon = scene.v1.coupons.create({"percent_off": 25, "duration": "forever"})

    cheaper = session_of(scene, discounts=[{"coupon": coupon.id}])
    trial = session_of(scene, subscription_data={"trial_period_days": 14})

    assert (cheaper.amount_subtotal, cheaper.amount_total) == (1000, 750)
    assert cheaper.total_details.amount_discount == 250
    assert scene.v1.coupons.retrieve(coupon.id).times_redeemed == 0
    assert (trial.amount_total, trial.payment_status) == (0, "no_payment_required")


def test_an_expired_checkout_cannot_be_paid(browser: httpx.Client, scene: Scene) -> None:
    """The page of a closed session shows no form, and a form sent late is refused."""
    session = session_of(scene)
    action, _ = forms(browser.get(session.url).text)["Subscribe"]
    scene.v1.checkout.sessions.expire(session.id)

    late = browser.post(action, data={"number": "4242424242424242", "email": "late@example.com"})

    assert late.status_code == 400
    assert "This page has expired" in browser.get(f"/hosted/checkout/{session.id}").text


@pytest.fixture
def portal(scene: Scene) -> tuple[Any, Any]:
    """A portal session, and the subscription of its customer."""
    customer = scene.customer(name="Radia Perlman")
    subscription = scene.subscription(customer)
    session = scene.v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": f"{SHOP}/account"}
    )
    return session, subscription


def test_the_portal_cancels_and_keeps(
    browser: httpx.Client, scene: Scene, portal: tuple[Any, Any]
) -> None:
    """A customer cancels at the end of the period, and changes their mind."""
    session, subscription = portal

    press(browser, session.url, "Cancel subscription")
    canceled = scene.seen(subscription)
    press(browser, session.url, "Keep subscription")

    period_end = subscription["items"].data[0].current_period_end
    assert (canceled.cancel_at, canceled.cancel_at_period_end) == (period_end, False)
    assert scene.seen(subscription).cancel_at is None


def test_the_portal_sets_the_flag_in_classic_mode(browser: httpx.Client, scene: Scene) -> None:
    """A subscription in classic billing mode keeps `cancel_at_period_end`."""
    customer = scene.customer()
    subscription = scene.subscription(customer, billing_mode={"type": "classic"})
    session = scene.v1.billing_portal.sessions.create({"customer": customer.id})

    press(browser, session.url, "Cancel subscription")
    canceled = scene.seen(subscription).cancel_at_period_end
    press(browser, session.url, "Keep subscription")

    assert canceled is True
    assert scene.seen(subscription).cancel_at_period_end is False


def test_the_portal_changes_the_card(
    browser: httpx.Client, scene: Scene, portal: tuple[Any, Any]
) -> None:
    """The new card is charged from now on; a declined one changes nothing."""
    session, subscription = portal

    refused = press(browser, session.url, "Change card", number=DECLINED)
    press(browser, session.url, "Change card", number="5555 5555 5555 4444")

    customer = scene.v1.customers.retrieve(
        subscription.customer, {"expand": ["invoice_settings.default_payment_method"]}
    )
    default: Any = customer.invoice_settings.default_payment_method
    assert refused.status_code == 402
    assert alert(refused) == "Your card was declined."
    assert default.card.last4 == "4444"


def test_the_portal_serves_its_own_customer_only(
    browser: httpx.Client, scene: Scene, portal: tuple[Any, Any]
) -> None:
    """A doctored form cannot cancel someone else's subscription."""
    session, _ = portal
    foreign = scene.subscription(scene.customer())

    answer = browser.post(f"{session.url}/cancel", data={"subscription": foreign.id})

    assert answer.status_code == 400
    assert scene.seen(foreign).cancel_at_period_end is False

"""The key's account is compared with the one that filled the database, before anything is done."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from subscriptions.catalogue import products
from subscriptions.models import Customer, StripeAccount, Subscription, SubscriptionProduct
from subscriptions.stripe_gateway import account
from tests.delivery import process_events
from tests.sandbox import Sandbox, key_of, started_sandbox
from tests.subscriptions.person import Person
from users.mirror import mirror_user
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def _other_account() -> Iterator[Sandbox]:
    with started_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def other_account(_other_account: Sandbox, stripe: Sandbox) -> Sandbox:
    """A valid key's other account, with products of its own and no customer of ours."""
    return _other_account


def _rows() -> tuple[object, ...]:
    return (
        list(Customer.objects.order_by("pk").values()),
        list(Subscription.objects.order_by("pk").values()),
        list(SubscriptionProduct.objects.order_by("pk").values()),
    )


@pytest.mark.parametrize("path", ["portal-session", "setup-intent", "cancel", "subscribe"])
def test_a_request_with_another_accounts_key_changes_nothing(
    person: Person, other_account: Sandbox, path: str
) -> None:
    """To that key our customers look as if they did not exist: no access may end for it."""
    assert person.subscribe().status_code == 200
    before = _rows()
    body = {"subscription_product": "basic_subscription", "payment_method": "pm_card_visa"}

    with key_of(other_account):
        answer = person.post(path, body if path == "subscribe" else {})

    # A second subscription is refused before Stripe is asked; everything else at the account.
    assert answer.status_code == (409 if path == "subscribe" else 503)
    if path != "subscribe":
        assert answer.json()["code"] == "stripe_account_mismatch"
    assert _rows() == before
    assert other_account.get("/v1/customers")["data"] == []
    assert person.words() == ("successful", "active")


@pytest.mark.parametrize("fix", ["--fix", "--dry-run"])
def test_reconcile_with_another_accounts_key_stops_and_names_both(
    person: Person, other_account: Sandbox, fix: str
) -> None:
    """A repair would delete every customer here; the sentence says what to do instead."""
    assert person.subscribe().status_code == 200
    before = _rows()
    ours, theirs = StripeAccount.objects.get().account_id, other_account.get("/v1/account")["id"]

    with key_of(other_account), pytest.raises(CommandError) as refused:
        call_command("stripe_reconcile", fix, stdout=io.StringIO(), stderr=io.StringIO())

    assert all(part in str(refused.value) for part in (ours, theirs, "stripe_account move --to"))
    assert _rows() == before


def test_products_stay_on_sale_after_a_start_with_another_accounts_key(
    person: Person, other_account: Sandbox
) -> None:
    """The start asks for the prices of the products; that account does not sell them."""
    assert person.subscribe().status_code == 200
    other_account.post("/v1/prices/price_sandbox_basic", active="false")
    before = _rows()

    with key_of(other_account):
        call_command("seed_products", stdout=io.StringIO())
    other_account.post("/v1/prices/price_sandbox_basic", active="true")

    assert _rows() == before


def test_the_live_key_of_the_same_account_is_another_account(
    person: Person, stripe: Sandbox
) -> None:
    """Test and live mode share the account's id and nothing else."""
    assert person.subscribe().status_code == 200
    StripeAccount.objects.update(livemode=True)
    account.forget_account()

    answer = person.post("portal-session")

    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_account_mismatch")


def test_a_database_without_a_customer_follows_the_key(
    person: Person, stripe: Sandbox, other_account: Sandbox
) -> None:
    """As in the original: start first, then fill in the keys of one's own account."""
    products.mirror_price(SubscriptionProduct.objects.first())  # type: ignore[arg-type]  # seeded
    assert StripeAccount.objects.get().account_id == stripe.get("/v1/account")["id"]

    with key_of(other_account):
        assert person.subscribe().status_code == 200
        assert StripeAccount.objects.get().account_id == other_account.get("/v1/account")["id"]


def test_a_database_filled_before_accounts_were_kept_takes_the_one_its_customers_are_in(
    person: Person, stripe: Sandbox, other_account: Sandbox
) -> None:
    """An upgrade with the right key goes on; one with the wrong key changes nothing."""
    assert person.subscribe().status_code == 200
    StripeAccount.objects.all().delete()
    SubscriptionProduct.objects.update(stripe_product_id="")

    with key_of(other_account):
        assert person.post("portal-session").status_code == 503
        assert not StripeAccount.objects.exists()
    account.forget_account()
    assert person.post("portal-session").status_code == 200

    assert StripeAccount.objects.get().account_id == stripe.get("/v1/account")["id"]


def test_a_running_process_notices_that_the_database_moved(
    person: Person, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator moved it; a worker that still has the old key must stop calling."""
    assert person.subscribe().status_code == 200
    monkeypatch.setattr(account, "RECHECK_SECONDS", 0)
    StripeAccount.objects.update(account_id="acct_elsewhere")

    assert person.post("portal-session").json()["code"] == "stripe_account_mismatch"


def test_moving_on_purpose_names_the_account(person: Person, other_account: Sandbox) -> None:
    """The account has to be typed out, so that no wrong key moves the database by itself."""
    assert person.subscribe().status_code == 200
    theirs = other_account.get("/v1/account")["id"]
    out = io.StringIO()

    with key_of(other_account):
        with pytest.raises(CommandError, match="They differ"):
            call_command("stripe_account", "show", stdout=io.StringIO())
        with pytest.raises(CommandError, match="--to names acct_typo"):
            call_command("stripe_account", "move", "--to", "acct_typo", stdout=io.StringIO())
        call_command("stripe_account", "move", "--to", theirs, stdout=out)

    assert "1 customers are expected under the same ids" in out.getvalue()
    assert StripeAccount.objects.get().account_id == theirs


def test_what_is_needed_at_stripe_can_be_made_before_the_database_exists(
    stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step with a real account comes before the first start."""

    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(account, "stored_account", refuse)
    out = io.StringIO()

    call_command("stripe_bootstrap", "--webhook-url", "", stdout=out)

    assert "STRIPE_BASIC_PRODUCT_PRICE_ID=price_" in out.getvalue()


def test_an_unreachable_stripe_does_not_keep_the_service_from_answering_what_it_knows(
    person: Person, stripe: Sandbox
) -> None:
    """The account is asked for at the first call, not at the start."""
    assert person.subscribe().status_code == 200
    account.forget_account()

    with stripe.fault(effect="error", status=500, path="/v1/account"):
        assert person.get("status").status_code == 200
        assert person.get("entitlements").status_code == 200


def test_an_event_that_came_with_another_accounts_key_waits_for_the_right_one(
    stripe: Sandbox, other_account: Sandbox
) -> None:
    """The first customer subscribes in the dashboard; the key is corrected later."""
    person = Person(stripe)
    mirror_user(person.id)
    customer = stripe.post(
        "/v1/customers",
        **{
            "payment_method": "pm_card_visa",
            "invoice_settings[default_payment_method]": "pm_card_visa",
            "metadata[billing_service_user_id]": str(person.id),
        },
    )["id"]
    price = {"items[0][price]": "price_sandbox_basic"}
    stripe.post("/v1/subscriptions", customer=customer, **price)
    with key_of(other_account):
        person.hear_from_stripe()
        assert not Customer.objects.exists()

    assert WebhookEvent.objects.filter(state="pending", subject=customer).exists()
    WebhookEvent.objects.update(next_attempt_at=timezone.now())
    process_events()

    assert person.words() == ("successful", "active")

"""Comparing with Stripe, and making at Stripe what the service needs."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from subscriptions.managing.charges import follow
from subscriptions.models import Customer, PaymentMethod, ReconcileRun, Subscription
from subscriptions.sync import reconcile as comparison_run
from subscriptions.sync.comparison import Difference
from subscriptions.sync.customer_rows import mark_deleted
from subscriptions.sync.reconcile import loss_warning
from tests.delivery import deliver, run_nightly
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.mirror import mirror_user
from users.models import User
from webhooks.event_types import HANDLED
from webhooks.models import WebhookEvent
from worker.tasks import reconcile_nightly, sweep_deletions

OUR_KEY = "metadata[billing_service_user_id]"


def reconcile(*options: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and what it printed as JSON."""
    out = StringIO()
    code = 0
    try:
        call_command("stripe_reconcile", "--json", *options, stdout=out, stderr=StringIO())
    except SystemExit as ending:
        code = int(str(ending.code))
    return code, json.loads(out.getvalue())


def _steps(run: ReconcileRun) -> Iterator[object]:
    return comparison_run.run(run, has_pending_event=lambda _: False, follow_charge=follow)


def refused(*options: str) -> str:
    """Run the command, which ends with exit code 1; return the sentence it ends with."""
    with pytest.raises(CommandError) as refusal:
        reconcile(*options)
    assert refusal.value.returncode == 1
    return str(refusal.value)


def customers_here(stripe: Sandbox, number: int) -> list[str]:
    """Make users whose customers we and Stripe know; return the customers' ids."""
    ids = [stripe.post("/v1/customers")["id"] for _ in range(number)]
    for stripe_customer_id in ids:
        user_id = uuid4()
        mirror_user(user_id)
        Customer.objects.create(user_id=user_id, stripe_customer_id=stripe_customer_id)
    return ids


@pytest.fixture
def alone(stripe: Sandbox) -> None:
    """Forget earlier tests' customers, which this database no longer knows."""
    for customer in stripe.all("/v1/customers"):
        stripe.delete(f"/v1/customers/{customer['id']}")


@pytest.fixture
def subscriber(alone: None, person: Person) -> Person:
    """Someone with a subscription."""
    assert person.subscribe().status_code == 200
    return person


def test_without_drift_there_is_nothing_to_tell(subscriber: Person) -> None:
    """Exit code 0 and an empty list."""
    code, report = reconcile("--dry-run")

    assert (code, report) == (0, {"customers_compared": 1, "fixed": False, "drift": []})


def test_every_kind_of_drift_is_found_and_then_repaired(
    subscriber: Person, stripe: Sandbox
) -> None:
    """Exit code 2 tells a watching job; --fix writes what Stripe says; after that 0."""
    other, lost = Person(stripe), Person(stripe)
    assert other.subscribe(product="pro_subscription").status_code == 200
    assert lost.subscribe().status_code == 200
    (unseen,) = stripe.subscriptions_of(subscriber.id)
    stripe.delete(f"/v1/subscriptions/{unseen['id']}")
    Subscription.objects.filter(user_id=other.id).update(price_reference="price_wrong")
    PaymentMethod.objects.filter(customer__user_id=other.id).delete()
    Customer.objects.filter(user_id=lost.id).delete()

    code, report = reconcile()
    found = {(each["object_id"], each["what"]) for each in report["drift"]}
    fixed_code, _ = reconcile("--fix", "--accept-losses", "1")
    after = reconcile("--dry-run")

    assert code == 2
    assert (unseen["id"], "stripe_status") in found
    assert {"price_reference", "payment method unknown here"} <= {what for _, what in found}
    assert "customer unknown here" in {what for _, what in found}
    assert (fixed_code, after[0], after[1]["drift"]) == (0, 0, [])
    assert subscriber.words() == ("canceled", "canceled")
    assert lost.words() == ("successful", "active")


def test_what_vanished_at_stripe_is_drift_too(subscriber: Person, stripe: Sandbox) -> None:
    """A customer deleted in the dashboard, its webhook lost."""
    (customer,) = stripe.customers_of(subscriber.id)
    stripe.delete(f"/v1/customers/{customer['id']}")

    assert reconcile()[0] == 2
    assert reconcile("--fix", "--accept-losses", "1")[0] == 0
    assert Customer.objects.get().deleted_at is not None
    assert reconcile()[0] == 0


def test_a_fix_writes_no_loss_before_its_number_is_accepted(
    subscriber: Person, stripe: Sandbox
) -> None:
    """A wrong restore at Stripe looks like this. The rest is still repaired."""
    other = Person(stripe)
    assert other.subscribe().status_code == 200
    Subscription.objects.filter(user_id=other.id).update(price_reference="price_wrong")
    lost = customers_here(stripe, 2)
    for stripe_customer_id in lost:
        stripe.delete(f"/v1/customers/{stripe_customer_id}")
    (ended,) = stripe.subscriptions_of(subscriber.id)
    stripe.delete(f"/v1/subscriptions/{ended['id']}")

    sentence = refused("--fix")
    too_few = refused("--fix", "--accept-losses", "2")

    assert "3 of 4 customers" in sentence
    assert sentence.endswith("--accept-losses 3.")
    assert too_few == sentence
    assert subscriber.words() == ("successful", "active")
    assert not Customer.objects.exclude(deleted_at=None).exists()
    assert not Subscription.objects.filter(price_reference="price_wrong").exists()

    code, report = reconcile("--fix", "--resume", "--accept-losses", "3")

    assert code == 0
    assert {each["repaired"] for each in report["drift"]} == {True}
    assert subscriber.words() == ("canceled", "canceled")
    assert set(
        Customer.objects.exclude(deleted_at=None).values_list("stripe_customer_id", flat=True)
    ) == set(lost)


def test_a_loss_that_came_back_meanwhile_is_not_written(
    subscriber: Person,
) -> None:
    """Between the refusal and the accepted number, Stripe is asked again."""
    PaymentMethod.objects.create(
        customer=Customer.objects.get(),
        stripe_payment_method_id="pm_detached",
        exp_month=12,
        exp_year=2040,
    )
    refused("--fix")
    PaymentMethod.objects.filter(stripe_payment_method_id="pm_detached").delete()

    code, report = reconcile("--fix", "--resume", "--accept-losses", "1")

    assert code == 0
    assert [each["repaired"] for each in report["drift"]] == [True]
    assert subscriber.words() == ("successful", "active")


def test_more_than_ten_losses_or_one_in_twenty_are_too_many() -> None:
    """Few customers vanish in a day; many at once are a mistake until a person says otherwise."""

    def warning(losses: int, *, of: int, accepted: int = 0) -> str:
        found = [
            Difference(stripe_customer_id=f"cus_{n}", object_id=f"cus_{n}", what="gone", loss=True)
            for n in range(losses)
        ]
        record = ReconcileRun(customers_compared=of, drift=[asdict(each) for each in found])
        return loss_warning(record, accept_losses=accepted)

    assert [warning(0, of=0), warning(1, of=20), warning(10, of=1000)] == ["", "", ""]
    assert warning(1, of=19).startswith("1 of 19 customers")
    assert warning(11, of=1000).startswith("11 of 1000 customers")
    assert warning(11, of=1000, accepted=10)
    assert not warning(11, of=1000, accepted=11)


@pytest.mark.django_db
def test_a_comparison_that_finds_much_costs_no_more_for_each_customer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the wrong account everything differs, and a night has to be enough."""
    monkeypatch.setattr(comparison_run, "_BATCH", 5)
    monkeypatch.setattr(comparison_run, "pages_of_customers", lambda **_: iter([[]]))
    monkeypatch.setattr(comparison_run, "_look", _everything_differs)
    monkeypatch.setattr(comparison_run, "reversals_at_stripe", lambda: iter(()))

    def written(customers: int) -> int:
        for number in range(Customer.objects.count(), customers):
            user = User.objects.create(id=uuid4(), username=f"user{number}")
            Customer.objects.create(user=user, stripe_customer_id=f"cus_{number}")
        run = ReconcileRun.objects.create()
        with CaptureQueriesContext(connection) as captured:
            assert len(list(_steps(run))) > customers
        assert ReconcileRun.objects.get(pk=run.pk).left == customers
        saves = [each["sql"] for each in captured.captured_queries if "reconcilerun" in each["sql"]]
        return sum(len(save) for save in saves)

    few = written(200)
    assert written(400) < 2.5 * few


def _everything_differs(customer_pk: int) -> Any:
    found = Difference(
        stripe_customer_id=f"cus_{customer_pk}", object_id="sub_1", what="not visible"
    )
    return comparison_run._Look([found], None)


def test_the_nightly_run_reports_a_mass_loss(
    alone: None, stripe: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It writes nothing, but its log line names the number and the option."""
    for stripe_customer_id in customers_here(stripe, 2):
        stripe.delete(f"/v1/customers/{stripe_customer_id}")

    run_nightly(reconcile_nightly)

    (error,) = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert "2 of 2 customers" in error
    assert "--accept-losses 2" in error
    assert ReconcileRun.objects.get().finished_at is not None
    assert not Customer.objects.exclude(deleted_at=None).exists()


def test_a_customer_marked_deleted_that_stripe_has_is_healed(
    subscriber: Person, stripe: Sandbox
) -> None:
    """Earlier versions took "not found" for deleted."""
    row = Customer.objects.get()
    mark_deleted(row, cause="test")
    assert subscriber.words() == ("canceled", "canceled")

    code, report = reconcile()
    fixed_code, _ = reconcile("--fix")

    assert code == 2
    assert "marked deleted, but exists at Stripe" in {each["what"] for each in report["drift"]}
    assert fixed_code == 0
    assert subscriber.words() == ("successful", "active")
    assert PaymentMethod.objects.filter(detached_at=None).exists()
    assert reconcile()[0] == 0


def test_a_customer_that_stripe_does_not_find_is_not_taken_for_deleted(subscriber: Person) -> None:
    """404 means that our key does not show it. A person decides what that means."""
    Customer.objects.update(stripe_customer_id="cus_of_another_account")

    code, report = reconcile("--fix")

    assert code == 2
    assert [each["what"] for each in report["drift"] if not each["repaired"]] == [
        "not visible with this key",
        "customer unknown here",
    ]
    assert Customer.objects.get().deleted_at is None
    assert subscriber.words() == ("successful", "active")


def test_an_interrupted_run_is_continued(subscriber: Person, stripe: Sandbox) -> None:
    """While Stripe cannot be reached it stops with a sentence; later it goes on where it was."""
    Subscription.objects.update(price_reference="price_wrong")
    away = stripe.fault(effect="error", status=500, path="/v1/customers")
    with away, pytest.raises(CommandError, match="--resume"):
        reconcile()
    broken = ReconcileRun.objects.get()
    assert (broken.customers_compared, broken.finished_at) == (1, None)

    code, report = reconcile("--resume")

    assert code == 2
    assert report["customers_compared"] == 1
    assert ReconcileRun.objects.get().pk == broken.pk


def test_what_a_fix_cannot_repair_is_left_and_reported(subscriber: Person, stripe: Sandbox) -> None:
    """Two live subscriptions, or a second customer, need a person; the exit code says so."""
    (customer,) = stripe.customers_of(subscriber.id)
    (first,) = stripe.subscriptions_of(subscriber.id)
    second_one = {
        "items[0][price]": "price_sandbox_pro",
        "default_payment_method": first["default_payment_method"],
    }
    stripe.post("/v1/subscriptions", customer=customer["id"], **second_one)
    second = stripe.post("/v1/customers", **{OUR_KEY: str(subscriber.id)})

    code, report = reconcile("--fix")

    repaired = {(each["object_id"], each["what"]): each["repaired"] for each in report["drift"]}
    assert code == 2
    assert repaired.pop((customer["id"], "more than one live subscription")) is False
    assert repaired.pop((second["id"], "customer unknown here")) is False
    assert set(repaired.values()) == {True}
    metrics = Client().get("/metrics").content.decode()
    assert "billing_reconcile_differences 2.0" in metrics


def test_news_that_is_about_to_be_handled_is_no_drift(subscriber: Person, stripe: Sandbox) -> None:
    """A worker is a moment behind; one that has stopped is a difference."""
    (subscription,) = stripe.subscriptions_of(subscriber.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    for event in stripe.new_events():
        deliver(event)

    assert reconcile()[0] == 0
    WebhookEvent.objects.update(received_at=timezone.now() - timedelta(hours=1))
    assert reconcile()[0] == 2


def test_an_invoice_that_was_written_off_is_no_drift(subscriber: Person, stripe: Sandbox) -> None:
    """Stripe changes nothing about a subscription that has ended, so the invoice's event counts."""
    (subscription,) = stripe.subscriptions_of(subscriber.id)
    by_invoice = {"collection_method": "send_invoice", "days_until_due": "30"}
    path = f"/v1/subscriptions/{subscription['id']}"
    due = stripe.post(path, billing_cycle_anchor="now", proration_behavior="none", **by_invoice)
    stripe.delete(path)
    subscriber.hear_from_stripe()
    assert reconcile()[0] == 0

    stripe.post(f"/v1/invoices/{due['latest_invoice']}/mark_uncollectible")
    subscriber.hear_from_stripe()

    assert reconcile() == (0, {"customers_compared": 1, "fixed": False, "drift": []})
    assert Subscription.objects.get().latest_invoice_status == "uncollectible"


def test_a_run_is_continued_in_the_mode_it_was_begun_with(subscriber: Person) -> None:
    """What a comparison has passed by already would never be fixed."""
    ReconcileRun.objects.create(position=Customer.objects.get().pk)
    with pytest.raises(CommandError, match="started with --dry-run"):
        reconcile("--resume", "--fix")

    ReconcileRun.objects.create(fix=True)
    with pytest.raises(CommandError, match="started with --fix"):
        reconcile("--resume")


def test_a_customer_deleted_where_a_run_was_interrupted_does_not_stop_it(
    subscriber: Person,
) -> None:
    """Stripe refuses to go on behind a customer it no longer has."""
    run = ReconcileRun.objects.create(
        position=Customer.objects.get().pk, stripe_position="cus_deleted"
    )

    assert reconcile("--resume")[0] == 0
    run.refresh_from_db()
    assert run.finished_at is not None


def test_the_nightly_run_continues_its_own_runs_alone(subscriber: Person) -> None:
    """An operator's interrupted repair stays theirs, and one that is running is left alone."""
    Subscription.objects.update(price_reference="price_wrong")
    theirs = ReconcileRun.objects.create(fix=True)

    run_nightly(reconcile_nightly)
    ReconcileRun.objects.filter(nightly=True).update(finished_at=None)
    run_nightly(reconcile_nightly)

    theirs.refresh_from_db()
    assert theirs.finished_at is None
    assert ReconcileRun.objects.get(nightly=True).finished_at is not None
    assert Subscription.objects.get().price_reference == "price_wrong"


def test_the_nightly_run_leaves_its_result_for_the_admin(subscriber: Person) -> None:
    """It only tells; repairing is someone's decision."""
    Subscription.objects.update(price_reference="price_wrong")

    run_nightly(reconcile_nightly)

    result = ReconcileRun.objects.get()
    assert result.finished_at is not None
    assert [each["what"] for each in result.drift] == ["price_reference"]
    assert Subscription.objects.get().price_reference == "price_wrong"


FOREIGN = [
    {"metadata[user_id]": "42"},
    {"metadata[billing_service_user_id]": "42"},
    {"metadata[billing_service_user_id]": str(uuid4())},
]


def test_customers_of_other_applications_are_left_alone(
    subscriber: Person, stripe: Sandbox
) -> None:
    """They may name users as we do: with numbers, with ids of their own, or even with ours."""
    other = Person(stripe)
    mirror_user(other.id)
    for metadata in (*FOREIGN, {"metadata[user_id]": str(other.id)}):
        stripe.post("/v1/customers", description="of another shop", **metadata)
    subscriber.hear_from_stripe()

    assert reconcile() == (0, {"customers_compared": 1, "fixed": False, "drift": []})
    assert reconcile("--fix")[0] == 0
    for customer in stripe.all("/v1/customers"):
        if customer["description"]:
            stripe.post(f"/v1/customers/{customer['id']}", description="changed")
    other.hear_from_stripe()

    assert Customer.objects.get().user_id == subscriber.id
    assert User.objects.count() == 2


def test_a_customer_that_was_made_for_a_user_is_adopted(alone: None, stripe: Sandbox) -> None:
    """A crash or a restored backup lost its id; our key in the metadata names the user."""
    person = Person(stripe)
    mirror_user(person.id)
    made = stripe.post("/v1/customers", **{OUR_KEY: str(person.id)})

    assert reconcile()[0] == 2
    assert reconcile("--fix")[0] == 0
    assert Customer.objects.get(user_id=person.id).stripe_customer_id == made["id"]


def test_what_we_write_at_stripe_has_the_prefix_of_this_product(
    subscriber: Person, stripe: Sandbox
) -> None:
    """No other application in the account takes it for its own, nor we its for ours."""
    subscriber.post("setup-intent")
    subscriber.post("payment-method", {"payment_method": "pm_card_visa"})
    visitor = Person(stripe)
    visitor.post("checkout-session", {"subscription_product": "basic_subscription"})

    (customer,) = stripe.customers_of(subscriber.id)
    written = [
        each["metadata"]
        for path in ("/v1/customers", "/v1/subscriptions", "/v1/setup_intents")
        for each in stripe.all(path)
        if each.get("customer", each["id"]) == customer["id"]
    ]
    assert len(written) == 4
    assert all(name.startswith("billing_service_") for each in written for name in each)
    assert all(each["billing_service_user_id"] == str(subscriber.id) for each in written)


def test_what_stripe_knows_of_a_customer_without_our_metadata_is_still_taken_over(
    subscriber: Person, stripe: Sandbox
) -> None:
    """Customers of earlier versions, and those whose metadata were changed in the dashboard."""
    (customer,) = stripe.customers_of(subscriber.id)
    stripe.post(f"/v1/customers/{customer['id']}", **{OUR_KEY: "", "metadata[user_id]": "7"})
    (subscription,) = stripe.all("/v1/subscriptions", customer=customer["id"])
    stripe.post(f"/v1/subscriptions/{subscription['id']}", cancel_at_period_end="true")

    subscriber.hear_from_stripe()

    assert subscriber.status()["cancel_at_period_end"] is True
    assert reconcile()[0] == 0


def test_a_paying_customer_of_an_earlier_version_that_the_database_lost_is_named(
    subscriber: Person, stripe: Sandbox
) -> None:
    """A database from before the upgrade was restored: the user must not pay a second time."""
    (customer,) = stripe.customers_of(subscriber.id)
    old = {OUR_KEY: "", "metadata[user_id]": str(subscriber.id)}
    stripe.post(f"/v1/customers/{customer['id']}", **old)
    Customer.objects.all().delete()

    code, report = reconcile("--fix")

    assert code == 2
    assert not Customer.objects.exists()
    (difference,) = report["drift"]
    assert difference["what"] == "customer unknown here"
    assert f"stripe_link {subscriber.id} {customer['id']}" in difference["stripes"]


def test_a_customer_of_a_deleted_user_that_turns_up_is_deleted_as_well(
    subscriber: Person, stripe: Sandbox
) -> None:
    """A restored database does not know of it, and the user would be billed forever."""
    Customer.objects.all().delete()
    User.objects.update(deletion_requested_at=timezone.now(), anonymised_at=timezone.now())

    assert reconcile("--fix")[0] == 0
    sweep_deletions(timestamp=0)

    assert stripe.customers_of(subscriber.id) == []
    assert User.objects.get().anonymised_at is not None


def bootstrap(*options: str) -> tuple[str, str]:
    """Run stripe_bootstrap; return what it printed and what it remarked."""
    out, err = StringIO(), StringIO()
    call_command("stripe_bootstrap", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_bootstrap_makes_what_is_missing_and_finds_what_is_there(stripe: Sandbox) -> None:
    """Repeating it makes nothing twice, but enables the webhook for what is handled today."""
    url = "https://billing.example/api/stripe-webhook/"
    first, _ = bootstrap("--webhook-url", url)
    (made,) = [each for each in stripe.all("/v1/webhook_endpoints") if each["url"] == url]
    outdated = {"disabled": "true", "enabled_events[0]": "customer.updated"}
    stripe.post(f"/v1/webhook_endpoints/{made['id']}", **outdated)
    second, remark = bootstrap("--webhook-url", url)

    assert "STRIPE_BASIC_PRODUCT_PRICE_ID=price_sandbox_basic" in first
    assert "STRIPE_WEBHOOK_SECRET=whsec_" in first
    assert second.splitlines() == first.splitlines()[:2]
    assert "exists already" in remark
    (endpoint,) = [each for each in stripe.all("/v1/webhook_endpoints") if each["url"] == url]
    assert (endpoint["id"], endpoint["status"]) == (made["id"], "enabled")
    assert endpoint["enabled_events"] == sorted(HANDLED)
    stripe.delete(f"/v1/webhook_endpoints/{endpoint['id']}")


def test_accepting_losses_without_a_fix_is_refused() -> None:
    """An option that would be ignored hides that nothing is going to be written."""
    with pytest.raises(CommandError, match="--accept-losses needs --fix"):
        call_command("stripe_reconcile", "--dry-run", "--accept-losses", "3")

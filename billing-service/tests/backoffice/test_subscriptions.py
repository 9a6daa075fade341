"""Staff look at billing in the admin, and act on it at Stripe."""

import pytest
from django.apps import apps
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import quote
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client

from subscriptions.catalogue import products
from subscriptions.models import (
    Customer,
    PaymentMethod,
    ReconcileRun,
    SubscribeAttempt,
    Subscription,
    SubscriptionProduct,
)
from tests.backoffice import pages
from tests.delivery import deliver, process_events, run_nightly
from tests.sandbox import Sandbox
from tests.subscriptions.person import DECLINED, Person
from webhooks.models import WebhookEvent
from worker.tasks import reconcile_nightly


@pytest.fixture
def subscriber(person: Person) -> Person:
    """Someone with a subscription whose events have been handled."""
    assert person.subscribe().status_code == 200
    person.hear_from_stripe()
    return person


def listing(model: type) -> str:
    """Return the address of a model's list."""
    meta = model._meta  # type: ignore[attr-defined]  # every model has it
    return f"/admin/{meta.app_label}/{meta.model_name}/"


def act(staff: Client, action: str, *rows: object) -> str:
    """Run an action on rows; return the page that shows what became of them."""
    return pages.act(staff, listing(type(rows[0])), action, [row.pk for row in rows])  # type: ignore[attr-defined]  # model rows


def test_every_page_opens(subscriber: Person, staff_client: Client) -> None:
    """Lists, searches and single rows of all billing models, and the pages beside them."""
    subscriber.subscribe(DECLINED)
    run_nightly(reconcile_nightly)
    for label in ("subscriptions", "webhooks"):
        for model in apps.get_app_config(label).get_models():
            page = listing(model)
            if staff_client.get(page).status_code == 404:
                continue  # Changes of state are shown with their subscription.
            assert staff_client.get(page, {"q": "x"}).status_code == 200, page
            row = model.objects.first()  # type: ignore[attr-defined]  # every model has it
            if row is not None:
                shown = staff_client.get(f"{page}{quote(row.pk)}/change/")
                assert shown.status_code == 200, page
    assert staff_client.get("/admin/").status_code == 200


def test_stripes_fields_cannot_be_typed(subscriber: Person, staff_client: Client) -> None:
    """What Stripe says is shown, never edited, and rows are not added by hand."""
    row = Subscription.objects.get()
    page = f"{listing(Subscription)}{row.pk}/change/"

    shown = staff_client.get(page).content.decode()
    staff_client.post(page, {"stripe_status": "canceled"})

    assert 'name="stripe_status"' not in shown
    assert 'name="_save"' not in shown
    assert f"http://localhost:12111/subscriptions/{row.stripe_subscription_id}" in shown
    row.refresh_from_db()
    assert row.stripe_status == "active"
    assert staff_client.get(f"{listing(Customer)}add/").status_code == 403


def test_a_subscription_is_cancelled_from_the_list(
    subscriber: Person, staff_client: Client
) -> None:
    """At the period's end first, then now."""
    row = Subscription.objects.get()

    assert "ends with its paid period" in act(staff_client, "cancel_at_the_period_end", row)
    assert subscriber.status()["cancel_at_period_end"] is True

    assert "was cancelled" in act(staff_client, "cancel_now", row)
    assert subscriber.words() == ("canceled", "canceled")
    (at_stripe,) = subscriber.stripe.subscriptions_of(subscriber.id)
    assert at_stripe["status"] == "canceled"
    assert "has ended already" in act(staff_client, "cancel_now", row)


def test_resync_fetches_what_a_lost_webhook_would_have_brought(
    subscriber: Person, staff_client: Client
) -> None:
    """Stripe's current state is one click away."""
    row = Subscription.objects.get()
    subscriber.stripe.delete(f"/v1/subscriptions/{row.stripe_subscription_id}")
    assert subscriber.words() == ("successful", "active")

    assert "Fetched from Stripe" in act(staff_client, "resync", row)

    assert subscriber.words() == ("canceled", "canceled")


@pytest.mark.parametrize("model", [Customer, PaymentMethod, Subscription])
def test_deleting_a_row_says_what_it_does_at_stripe_and_does_it(
    subscriber: Person, staff_client: Client, model: type
) -> None:
    """The original's way to let a user subscribe again."""
    row = model.objects.get()  # type: ignore[attr-defined]  # every model has it
    page = f"{listing(model)}{row.pk}/delete/"

    assert "At Stripe: " in staff_client.get(page).content.decode()
    after = staff_client.post(page, {"post": "yes"}, follow=True).content.decode()

    assert "was deleted" in after
    assert LogEntry.objects.get(action_flag=DELETION).object_repr == str(row)
    assert not model.objects.filter(pk=row.pk).exists()  # type: ignore[attr-defined]  # as above
    if model is PaymentMethod:
        (customer,) = subscriber.stripe.customers_of(subscriber.id)
        assert not subscriber.stripe.all(f"/v1/customers/{customer['id']}/payment_methods")
    else:
        assert [
            each
            for each in subscriber.stripe.subscriptions_of(subscriber.id)
            if each["status"] == "active"
        ] == []
        assert subscriber.subscribe().status_code == 200
    subscriber.hear_from_stripe()


def test_several_rows_are_deleted_after_one_confirmation(
    subscriber: Person, staff_client: Client
) -> None:
    """The bulk action asks first, and then ends everything at Stripe."""
    row = Customer.objects.get()

    form = {"action": "delete_selected", "_selected_action": [str(row.pk)]}
    assert "At Stripe: " in pages.submit(staff_client, listing(Customer), form)
    assert Customer.objects.count() == 1
    act(staff_client, "delete_selected", row)

    assert (Customer.objects.count(), Subscription.objects.count()) == (0, 0)
    assert LogEntry.objects.get(action_flag=DELETION).object_repr == str(row)
    assert subscriber.stripe.customers_of(subscriber.id) == []


def test_with_stripe_unavailable_nothing_is_deleted(
    subscriber: Person, staff_client: Client, stripe: Sandbox
) -> None:
    """A row without its object at Stripe would be a customer who is billed forever."""
    row = Customer.objects.get()
    with stripe.fault(effect="error", status=500):
        page = staff_client.post(
            f"{listing(Customer)}{row.pk}/delete/", {"post": "yes"}, follow=True
        )

        bulk = act(staff_client, "delete_selected", row)

    assert "was not deleted" in page.content.decode()
    assert "1 waiting" in bulk
    assert Customer.objects.count() == 1
    assert not LogEntry.objects.filter(action_flag=DELETION).exists()
    assert subscriber.words() == ("successful", "active")


def test_a_failed_event_can_be_replayed(subscriber: Person, staff_client: Client) -> None:
    """When its cause is gone, staff put the event back into the queue."""
    row = Subscription.objects.get()
    subscriber.stripe.delete(f"/v1/subscriptions/{row.stripe_subscription_id}")
    for event in subscriber.stripe.new_events():
        deliver(event)
    WebhookEvent.objects.filter(state="pending").update(state="dead")
    process_events()
    assert subscriber.words() == ("successful", "active")
    dead = WebhookEvent.objects.filter(state="dead")

    assert "will be processed again" in act(staff_client, "replay_selected", *dead)
    process_events()

    assert subscriber.words() == ("canceled", "canceled")
    assert set(WebhookEvent.objects.values_list("state", flat=True)) <= {"handled", "ignored"}


def test_the_timeline_ties_attempt_key_request_and_event_together(
    subscriber: Person, staff_client: Client
) -> None:
    """Staff who have to explain a charge find every step on one page."""
    attempt = SubscribeAttempt.objects.get()
    page = staff_client.get(f"/admin/timeline/{subscriber.id}/").content.decode()

    assert f"attempt:{attempt.pk}:subscription" in page
    assert all(call["request_id"] in page for call in attempt.calls)
    assert "customer.subscription.created" in page
    assert "stripe_status — → active" in page
    assert "closed: succeeded" in page


def test_the_dashboard_draws_what_is_going_on(subscriber: Person, staff_client: Client) -> None:
    """States, revenue, refused cards and lag, without anything from elsewhere."""
    Person(subscriber.stripe).subscribe(DECLINED)
    page = staff_client.get("/admin/dashboard/").content.decode()

    assert page.count("<svg role=") == 4
    assert ">active<" in page
    assert ">10.00 USD<" in page
    assert ">—<" in page
    assert "0 waiting" in page
    assert "Not compared with Stripe yet" in page
    assert "//" not in page.replace("http://www.w3.org/2000/svg", "").split("<main")[1]


def test_a_comparison_is_shown_as_a_table(subscriber: Person, staff_client: Client) -> None:
    """Staff see what differs and follow the link to the customer; the dashboard counts it."""
    Subscription.objects.update(price_reference="price_wrong")
    run_nightly(reconcile_nightly)
    (run,) = ReconcileRun.objects.all()
    (found,) = [each for each in run.drift if each["what"] == "price_reference"]

    shown = staff_client.get(f"{listing(ReconcileRun)}{run.pk}/change/").content.decode()
    dashboard = staff_client.get("/admin/dashboard/").content.decode()

    assert "<td>price_wrong</td><td>price_sandbox_basic</td>" in shown
    assert f"/customers/{found['stripe_customer_id']}" in shown
    assert f">{run.left} difference" in dashboard


def test_saving_a_product_keeps_what_stripe_reported_meanwhile(
    staff_client: Client, stripe: Sandbox
) -> None:
    """Only what was typed is written, also while Stripe is unavailable."""
    product = SubscriptionProduct.objects.get(name="basic_subscription")

    def report(**_: object) -> None:
        SubscriptionProduct.objects.filter(pk=product.pk).update(unit_amount=1200)

    pre_save.connect(report, sender=SubscriptionProduct)
    try:
        with stripe.fault(effect="error", status=503, path="/v1/prices/*"):
            page = f"{listing(SubscriptionProduct)}{product.pk}/change/"
            form = {"name": product.name, "price_reference": product.price_reference}
            after = staff_client.post(page, form, follow=True).content.decode()
    finally:
        pre_save.disconnect(report, sender=SubscriptionProduct)

    assert "the amount could not be read" in after
    product.refresh_from_db()
    assert (product.on_sale, product.unit_amount) == (False, 1200)


def test_stripe_is_asked_about_a_product_after_it_was_saved(
    staff_client: Client, stripe: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow answer would keep its row locked for everyone else."""
    product = SubscriptionProduct.objects.get(name="basic_subscription")
    asked = []

    def copy(_: SubscriptionProduct) -> bool:
        asked.append(connection.in_atomic_block)
        return True

    monkeypatch.setattr(products, "mirror_price", copy)
    form = {"name": product.name, "price_reference": product.price_reference, "on_sale": "on"}

    staff_client.post(f"{listing(SubscriptionProduct)}{product.pk}/change/", form)
    act(staff_client, "resync", product)

    assert asked == [False, False]


def test_a_new_price_can_be_put_on_sale(staff_client: Client, person: Person) -> None:
    """Staff give a price of Stripe's a name; the amount comes from there."""
    product = SubscriptionProduct.objects.get(name="basic_subscription")
    page = f"{listing(SubscriptionProduct)}{product.pk}/change/"
    wrong = {"name": product.name, "price_reference": "price_unknown", "on_sale": "on"}
    staff_client.post(page, wrong)
    assert [each["name"] for each in person.get("products").json()] == ["pro_subscription"]

    staff_client.post(page, wrong | {"price_reference": "price_sandbox_basic"})

    assert len(person.get("products").json()) == 2


def test_staff_take_a_product_off_sale(
    staff_client: Client, person: Person, stripe: Sandbox
) -> None:
    """It stays off, whatever Stripe tells of its price, until they put it on sale again."""
    product = SubscriptionProduct.objects.get(name="basic_subscription")
    page = f"{listing(SubscriptionProduct)}{product.pk}/change/"
    form = {"name": product.name, "price_reference": product.price_reference}

    saved = staff_client.post(page, form, follow=True).content.decode()
    act(staff_client, "resync", product)
    stripe.post("/v1/products/prod_sandbox_basic", description="news of it")
    person.hear_from_stripe()

    assert "no such active price" not in saved
    assert person.subscribe().json()["code"] == "unknown_product"
    staff_client.post(page, form | {"on_sale": "on"})
    assert person.subscribe().status_code == 200


def test_staff_without_the_permission_see_nothing(sign_in: object, subscriber: Person) -> None:
    """Being staff opens the door, not every drawer."""
    client, _ = sign_in(is_superuser=False)  # type: ignore[operator]  # a fixture's function
    pages = [
        listing(Subscription),
        listing(WebhookEvent),
        "/admin/dashboard/",
        f"/admin/timeline/{subscriber.id}/",
    ]

    assert [client.get(page).status_code for page in pages] == [403] * 4
    assert {Client().get(page).status_code for page in pages} == {302}

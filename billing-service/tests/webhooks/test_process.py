"""What the worker makes of stored events."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from subscriptions.models import Customer, PaymentMethod, Subscription, SubscriptionProduct
from tests.delivery import deliver, process_events
from tests.sandbox import Sandbox
from tests.subscriptions.person import Person
from users.mirror import mirror_user
from webhooks.inbox import INTERRUPTED
from webhooks.models import WebhookEvent
from webhooks.process import MAX_ATTEMPTS, PATIENCE, Claimed, claim
from worker.run import run_jobs
from worker.tasks import end_old_job, retry_stalled_jobs, sweep_attempts


@pytest.fixture
def person(stripe: Sandbox) -> Person:
    """Someone with a subscription."""
    someone = Person(stripe)
    assert someone.subscribe().status_code == 200
    return someone


def test_a_cancellation_in_the_dashboard_reaches_us(person: Person, stripe: Sandbox) -> None:
    """The event is handled, and its time is noted."""
    (subscription,) = stripe.subscriptions_of(person.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")

    person.hear_from_stripe()

    assert person.words() == ("canceled", "canceled")
    assert not WebhookEvent.objects.filter(state="pending").exists()
    handled = WebhookEvent.objects.get(type="customer.subscription.deleted")
    assert (handled.state, handled.handled_at is None) == ("handled", False)


def test_events_in_any_order_end_in_stripes_state(person: Person, stripe: Sandbox) -> None:
    """`created` after `deleted`, each twice: Stripe is looked at, the event is never believed."""
    (subscription,) = stripe.subscriptions_of(person.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    events = stripe.new_events()

    for half in (events[::-1], events):
        for event in half:
            assert deliver(event).status_code == 200
        process_events()

    assert person.words() == ("canceled", "canceled")


def test_deleted_for_an_old_subscription_leaves_the_live_one(
    person: Person, stripe: Sandbox
) -> None:
    """The end of one subscription says nothing about another."""
    person.post("cancel", {"at_period_end": False})
    old_news = stripe.new_events()
    assert person.subscribe().status_code == 200

    for event in old_news:
        deliver(event)
    process_events()

    assert person.words() == ("successful", "active")
    assert Subscription.objects.filter(user_id=person.id).count() == 2


def test_a_webhook_may_come_before_the_answer(stripe: Sandbox) -> None:
    """A subscription we never heard of is adopted for the user its customer names."""
    person = Person(stripe)
    mirror_user(person.id)
    customer = stripe.post(
        "/v1/customers",
        **{
            "payment_method": "pm_card_visa",
            "invoice_settings[default_payment_method]": "pm_card_visa",
            "metadata[billing_service_user_id]": str(person.id),
        },
    )
    stripe.post(
        "/v1/subscriptions",
        **{"customer": customer["id"], "items[0][price]": "price_sandbox_pro"},
    )

    person.hear_from_stripe()

    assert person.words() == ("successful", "active")
    assert Customer.objects.get().stripe_customer_id == customer["id"]
    assert PaymentMethod.objects.get().is_default


def test_a_customer_without_a_user_is_no_error(stripe: Sandbox) -> None:
    """An account may have customers that have nothing to do with this service."""
    customer = stripe.post("/v1/customers", description="someone else's")
    stripe.post(f"/v1/customers/{customer['id']}", description="changed")

    for event in stripe.new_events():
        deliver(event)
    process_events()

    assert Customer.objects.count() == 0
    assert not WebhookEvent.objects.filter(state="pending").exists()


def test_a_customer_deleted_in_the_dashboard_is_marked_deleted(
    person: Person, stripe: Sandbox
) -> None:
    """Its subscription has ended, its card is gone, and nothing fails."""
    (customer,) = stripe.customers_of(person.id)
    stripe.delete(f"/v1/customers/{customer['id']}")

    person.hear_from_stripe()

    row = Customer.objects.get()
    assert row.deleted_at is not None
    assert person.words() == ("canceled", "canceled")
    assert not PaymentMethod.objects.filter(detached_at=None).exists()


def test_a_new_price_name_reaches_the_list_of_products(person: Person, stripe: Sandbox) -> None:
    """What staff rename at Stripe is what callers read."""
    stripe.post("/v1/products/prod_sandbox_basic", name="Basic, renamed")

    person.hear_from_stripe()

    assert SubscriptionProduct.objects.get(name="basic_subscription").title == "Basic, renamed"
    stripe.post("/v1/products/prod_sandbox_basic", name="Basic subscription")


def test_with_stripe_unavailable_the_event_waits_and_is_tried_again(
    person: Person, stripe: Sandbox
) -> None:
    """The inbox still answers 200; the job comes back a little later."""
    (subscription,) = stripe.subscriptions_of(person.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    with stripe.fault(effect="error", status=503):
        for event in stripe_events(person):
            assert deliver(event).status_code == 200
        process_events()

    assert person.words() == ("successful", "active")
    waiting = WebhookEvent.objects.filter(state="pending")
    assert waiting.exists()
    assert all("payment_gateway_unavailable" in event.last_error for event in waiting)
    assert all(event.next_attempt_at > timezone.now() for event in waiting)

    waiting.update(next_attempt_at=timezone.now())
    process_events()

    assert person.words() == ("canceled", "canceled")


def stripe_events(person: Person) -> list[dict[str, object]]:
    """Make up the event for a cancellation, as the list is not to be had right now."""
    customer = Customer.objects.get(user_id=person.id).stripe_customer_id
    thing = {"id": "sub_1", "object": "subscription", "customer": customer}
    return [
        {
            "id": "evt_made_up",
            "type": "customer.subscription.deleted",
            "created": 1_790_000_000,
            "data": {"object": thing},
        }
    ]


@pytest.mark.parametrize(
    ("age", "last_error", "state"),
    [
        (PATIENCE, "payment_gateway_unavailable", "dead"),
        (timedelta(minutes=5), "payment_gateway_unavailable", "handled"),
        (timedelta(minutes=5), INTERRUPTED, "dead"),
    ],
    ids=["tried for long", "tried often, with others", "ended its worker each time"],
)
def test_after_too_many_attempts_an_event_is_a_failed_event(
    person: Person, age: timedelta, last_error: str, state: str
) -> None:
    """It stops costing calls and staff see why; a burst in a short outage costs no event."""
    (event,) = stripe_events(person)
    deliver(event)
    received_at = timezone.now() - age
    WebhookEvent.objects.update(
        failures=MAX_ATTEMPTS, received_at=received_at, last_error=last_error
    )

    process_events()

    tried = WebhookEvent.objects.get()
    assert (tried.state, tried.last_error) == (state, last_error if state == "dead" else "")


def test_a_bug_is_noted_at_the_event_and_tried_again_later(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff read what it was, and nothing of it stays in the queue."""

    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    (event,) = stripe_events(person)
    deliver(event)
    with monkeypatch.context() as patch:
        patch.setattr("webhooks.process.writer.refresh_customer", fail)
        process_events()

    waiting = WebhookEvent.objects.get()
    assert (waiting.state, waiting.last_error) == ("pending", "ZeroDivisionError")
    assert waiting.next_attempt_at > timezone.now()


def test_events_of_a_worker_that_died_are_due_again(person: Person, stripe: Sandbox) -> None:
    """Its claim ends by itself; until then no other worker takes the subject."""
    (subscription,) = stripe.subscriptions_of(person.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    news = stripe.new_events()
    for event in news[:-1]:
        deliver(event)
    assert claim()
    deliver(news[-1])
    process_events()
    assert person.words() == ("successful", "active")

    WebhookEvent.objects.update(next_attempt_at=timezone.now())
    process_events()

    assert person.words() == ("canceled", "canceled")
    assert not WebhookEvent.objects.filter(state="pending").exists()


@pytest.mark.django_db(transaction=True)
def test_a_subject_is_processed_by_one_worker_at_a_time() -> None:
    """Eight workers at once get one subject each, with all of its events."""
    for number in range(200):
        stored(f"evt_{number}", subject=f"cus_{number % 20}")

    with ThreadPoolExecutor(8) as workers:
        claims = [each for each in workers.map(lambda _: _claim_alone(), range(40)) if each]

    assert sorted(events[0].subject for events in claims) == sorted(f"cus_{n}" for n in range(20))
    assert {len(events) for events in claims} == {10}


def _claim_alone() -> list[Claimed]:
    try:
        return claim()
    finally:
        connection.close()


def stored(event_id: str, **columns: Any) -> None:
    """Store an event as an earlier version did, which knows no time of the next attempt."""
    now = timezone.now()
    WebhookEvent.objects.create(
        **{"type": "customer.updated", "stripe_created_at": now, "received_at": now}
        | columns
        | {"id": event_id}
    )


def test_an_event_of_an_unknown_type_does_not_hold_up_its_customer(
    person: Person, stripe: Sandbox
) -> None:
    """A newer version stored it before a rollback; it is kept for the next upgrade."""
    (subscription,) = stripe.subscriptions_of(person.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    long_ago = timezone.now() - timedelta(days=1)
    stored(
        "evt_new",
        type="entitlements.changed",
        subject=subscription["customer"],
        received_at=long_ago,
    )

    person.hear_from_stripe()

    assert person.words() == ("canceled", "canceled")
    assert WebhookEvent.objects.get(state="pending").id == "evt_new"


@pytest.mark.django_db(transaction=True)
def test_jobs_of_the_version_before_end_and_its_events_are_processed(
    person: Person, stripe: Sandbox
) -> None:
    """An upgrade finds a job beside each pending event."""
    (subscription,) = stripe.subscriptions_of(person.id)
    stripe.delete(f"/v1/subscriptions/{subscription['id']}")
    customer = subscription["customer"]
    stored("evt_old", type="customer.subscription.deleted", subject=customer)
    end_old_job.configure(lock=customer, queueing_lock=customer).defer(subject=customer)

    asyncio.run(run_jobs(until_stopped=False))
    process_events()

    assert person.words() == ("canceled", "canceled")
    assert not ProcrastinateJob.objects.filter(task_name="webhooks.settle").exists()


@pytest.mark.django_db(transaction=True)
def test_a_periodic_job_of_a_worker_that_died_runs_again() -> None:
    """It holds a lock that would keep every later one from running."""
    sweep_attempts.configure(lock="sweep-attempts").defer(timestamp=0)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    retry_stalled_jobs.configure().defer(timestamp=0)

    for _ in ("frees it", "runs it"):
        asyncio.run(run_jobs(until_stopped=False))

    assert not ProcrastinateJob.objects.filter(status="doing").exists()
    assert not ProcrastinateJob.objects.filter(task_name="attempts.sweep").exists()

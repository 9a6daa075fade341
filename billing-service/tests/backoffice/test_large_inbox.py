"""Months of webhook events do not make staff wait."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from subscriptions.models import Customer
from users.models import User

pytestmark = pytest.mark.django_db

# Enough for PostgreSQL to prefer an index, as with millions.
_FILL = """
INSERT INTO webhooks_webhookevent
    (id, type, subject, object_id, request_id, idempotency_key, state, stripe_created_at,
     received_at, failures, last_error)
SELECT 'evt_' || n, 'invoice.paid', 'cus_' || n / 10, 'in_' || n, 'req_' || n, 'key_' || n,
    'handled', now(), now() - n * interval '1 second', 0, ''
FROM generate_series(1, 20000) AS n
"""


@pytest.fixture
def _large_inbox(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_FILL)
        cursor.execute("ANALYZE webhooks_webhookevent")


def plans(captured: CaptureQueriesContext) -> str:
    """Return how PostgreSQL finds the rows of each query that reads the inbox."""
    found = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            sql = query["sql"]
            if sql.startswith("SELECT") and 'FROM "webhooks_webhookevent"' in sql:
                cursor.execute(f"EXPLAIN {sql}")
                found += [line for (line,) in cursor.fetchall()]
    assert found
    return "\n".join(found)


@pytest.mark.usefixtures("_large_inbox")
def test_a_customers_timeline_reads_their_events_alone(staff_client: Client) -> None:
    """Support opens it while the customer is on the phone."""
    user = User.objects.create(id=uuid4(), username="caller")
    Customer.objects.create(user=user, stripe_customer_id="cus_700")

    with CaptureQueriesContext(connection) as captured:
        page = staff_client.get(f"/admin/timeline/{user.pk}/").content.decode()

    assert page.count("invoice.paid evt_") == 10
    plan = plans(captured)
    assert "events_by_subject" in plan
    assert "Seq Scan" not in plan


@pytest.mark.usefixtures("_large_inbox")
@pytest.mark.parametrize(
    ("word", "count"), [("evt_7", 1), ("cus_700", 10), ("in_7", 1), ("req_7", 1), ("key_7", 1)]
)
def test_a_search_for_an_id_reads_the_events_that_have_it_alone(
    staff_client: Client, word: str, count: int
) -> None:
    """Of the event, the customer, the object, the request or the idempotency key."""
    with CaptureQueriesContext(connection) as captured:
        page = staff_client.get("/admin/webhooks/webhookevent/", {"q": word}).content.decode()

    assert page.count('name="_selected_action"') == count
    plan = plans(captured)
    assert "Seq Scan" not in plan
    assert "events_by_age" not in plan

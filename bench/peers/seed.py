"""Create the peer's tables, its users with a subscription each, and the webhook endpoint.

Run as `python -m bench.peers.seed USERS PASSWORD`.
"""

import os
import sys
import uuid
from datetime import timedelta

import django
from django.core.management import call_command
from django.utils import timezone

ENDPOINT_UUID = uuid.UUID(int=1)


def seed(*, users: int, password: str) -> None:
    """Fill an empty peer database.

    Args:
        users: How many users named `user0`, `user1`, … to create.
        password: The password of all of them.
    """
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User

    from bench.peers.models import Subscription

    call_command("migrate", run_syncdb=True, verbosity=0)
    hashed = make_password(password)
    created = User.objects.bulk_create(
        User(username=f"user{n}", password=hashed) for n in range(users)
    )
    start = timezone.now()
    Subscription.objects.bulk_create(
        Subscription(
            user=user,
            status="successful",
            payment_gateway_status="active",
            current_period_start=start,
            current_period_end=start + timedelta(days=30),
            id_reference=f"sub_{user.username}",
            price_reference="price_bench",
            purchase_date=start.date(),
        )
        for user in created
    )
    _create_webhook_endpoint()


def _create_webhook_endpoint() -> None:
    from djstripe.models import WebhookEndpoint

    WebhookEndpoint.objects.create(
        id="we_bench",
        livemode=False,
        url="http://127.0.0.1/stripe/webhook/",
        enabled_events=["*"],
        secret=os.environ["PEER_WEBHOOK_SECRET"],
        status="enabled",
        djstripe_uuid=ENDPOINT_UUID,
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.settings")
    django.setup()
    seed(users=int(sys.argv[1]), password=sys.argv[2])

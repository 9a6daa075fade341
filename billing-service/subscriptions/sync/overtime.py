"""Looks at subscriptions whose paid period has ended without any news from Stripe.

Events bring the next period within seconds; one that was lost leaves a row as it was.
"""

import logging
import time
from datetime import timedelta

from django.utils import timezone

from subscriptions.errors import CustomerNotVisible, PaymentGatewayUnavailable
from subscriptions.models import Subscription
from subscriptions.statuses import IN_GOOD_STANDING
from subscriptions.sync.writer import refresh_customer

# Stripe reports a renewal within this time, as a rule.
_PATIENCE = timedelta(minutes=10)
# A period may end later at Stripe than here, such as on a test clock.
_AGAIN = timedelta(hours=1)
_MOST_LOOKS = 20
# Customers that our key does not reach are passed over.
_MOST_ROWS = 200

_log = logging.getLogger(__name__)


def refresh_overtime(*, seconds: float) -> int:
    """Look at those that have waited longest, a few at a time; return how many.

    Args:
        seconds: Begin no further look after that time.
    """
    now, until, looks = timezone.now(), time.monotonic() + seconds, 0
    rows = (
        Subscription.objects.filter(
            stripe_status__in=IN_GOOD_STANDING,
            is_current=True,
            deleted_at=None,
            current_period_end__lt=now - _PATIENCE,
            synced_at__lt=now - _AGAIN,
        )
        .order_by("current_period_end")
        .values_list("customer__stripe_customer_id", flat=True)[:_MOST_ROWS]
    )
    for stripe_customer_id in list(rows):
        if looks == _MOST_LOOKS or time.monotonic() > until:
            break
        try:
            refresh_customer(stripe_customer_id or "", cause="the period ended", everything=False)
        except CustomerNotVisible:
            continue
        except PaymentGatewayUnavailable as outage:
            _log.warning("Periods that ended wait for Stripe", extra={"code": outage.code})
            break
        looks += 1
    return looks

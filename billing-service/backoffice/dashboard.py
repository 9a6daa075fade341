"""The staff's dashboard: subscriptions, revenue, failed payments and the inbox, as charts."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from subscriptions.models import ReconcileRun
from webhooks.models import WebhookEvent

# Pixels: where bars begin, how long the longest is, and the whole chart with the number behind it.
_BARS_FROM, _LONGEST_BAR, _WIDTH = 135, 205, 440

_BY_STATE = """
SELECT stripe_status, count(*) FROM subscriptions_subscription
GROUP BY stripe_status ORDER BY count(*) DESC
"""

# A year's price counts a twelfth, a week's 52/12: what comes in during an average month.
_REVENUE = """
SELECT upper(currency), round(sum(
    unit_amount / interval_count::numeric * CASE interval
        WHEN 'year' THEN 1 / 12.0 WHEN 'week' THEN 52 / 12.0 WHEN 'day' THEN 365 / 12.0 ELSE 1 END
))::bigint
FROM subscriptions_subscription
WHERE stripe_status IN ('active', 'past_due') AND unit_amount IS NOT NULL
GROUP BY currency ORDER BY 2 DESC
"""

_FAILURES = """
SELECT to_char(day, 'MM-DD'), (
    SELECT count(*) FROM subscriptions_cardfailure WHERE at >= day AND at < day + interval '1 day')
FROM generate_series(current_date - 13, current_date, interval '1 day') AS day ORDER BY day
"""

_LAG = """
SELECT to_char(hour, 'HH24:00'), (
    SELECT round(extract(epoch FROM percentile_cont(0.95) WITHIN GROUP
        (ORDER BY handled_at - received_at)) * 1000)
    FROM webhooks_webhookevent
    WHERE received_at >= hour AND received_at < hour + interval '1 hour' AND state = 'handled')
FROM generate_series(date_trunc('hour', now()) - interval '11 hours',
                     date_trunc('hour', now()), interval '1 hour') AS hour ORDER BY hour
"""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of a chart; `width` is in pixels of a fixed scale."""

    label: str
    text: str
    width: int
    y: int

    @property
    def text_x(self) -> int:
        """Where the number begins, in the same pixels."""
        return _BARS_FROM + self.width + 6


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A bar chart, drawn as inline SVG by the template."""

    title: str
    bars: list[Bar]

    @property
    def height(self) -> int:
        """Pixels the bars take."""
        return 24 * max(1, len(self.bars))


def charts() -> list[Chart]:
    """Ask the database and return the charts."""
    return [
        _chart("Subscriptions by state", query=_BY_STATE),
        _chart("Monthly recurring revenue", query=_REVENUE, text="{:,.2f}", of=100),
        _chart("Failed payments by day", query=_FAILURES),
        _chart("Webhook lag by hour, 95th percentile", query=_LAG, text="{:,.0f} ms"),
    ]


def show(request: HttpRequest) -> HttpResponse:
    """Show the page to staff who may see subscriptions."""
    if not request.user.has_perm("subscriptions.view_subscription"):
        raise PermissionDenied
    waiting = WebhookEvent.objects.filter(state=WebhookEvent.State.PENDING)
    context = {
        **admin.site.each_context(request),
        "title": "Dashboard",
        "charts": charts(),
        "width": _WIDTH,
        "bars_from": _BARS_FROM,
        "pending": waiting.count(),
        "oldest": waiting.order_by("received_at").values_list("received_at", flat=True).first(),
        "dead": WebhookEvent.objects.filter(state=WebhookEvent.State.DEAD).count(),
        "reconcile": ReconcileRun.objects.exclude(finished_at=None).order_by("-id").first(),
    }
    return TemplateResponse(request, "backoffice/dashboard.html", context)


def _chart(title: str, *, query: str, text: str = "{:,.0f}", of: int = 1) -> Chart:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[str, Any]] = cursor.fetchall()
    most = max((int(value or 0) for _, value in rows), default=0) or 1
    bars = [
        Bar(
            label=label,
            # Without a single event an hour has no lag, which is not a lag of nothing.
            text="—" if value is None else text.format(int(value) / of),
            width=round(int(value or 0) / most * _LONGEST_BAR),
            y=24 * row,
        )
        for row, (label, value) in enumerate(rows)
    ]
    return Chart(title=title, bars=bars)

"""The dashboard: subscriptions, revenue, failed payments and webhook events, as charts."""

from dataclasses import dataclass

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backoffice.queries import (
    LabelledValue,
    failed_payments_by_day,
    subscriptions_by_state,
    webhook_lag_by_hour,
)
from backoffice.revenue import monthly_revenue
from subscriptions.models import ReconcileRun
from subscriptions.money import in_units, money_text
from webhooks.models import WebhookEvent

# Pixels: where bars begin, how long the longest is, and the whole chart with the number behind it.
_BARS_FROM, _LONGEST_BAR, _WIDTH = 135, 170, 440


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
    """Return the charts of the page."""
    return [
        _chart("Subscriptions by state", rows=subscriptions_by_state()),
        _chart("Monthly recurring revenue, estimate", rows=_revenue()),
        _chart("Failed payments by day", rows=failed_payments_by_day()),
        _chart(
            "Webhook lag by hour, 95th percentile", rows=webhook_lag_by_hour(), text="{:,.0f} ms"
        ),
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


def _revenue() -> list[LabelledValue]:
    return [
        LabelledValue(
            currency.upper(), in_units(amount, currency), money_text(round(amount), currency)
        )
        for currency, amount in monthly_revenue()
    ]


def _chart(title: str, *, rows: list[LabelledValue], text: str = "{:,.0f}") -> Chart:
    most = max((row.value or 0 for row in rows), default=0) or 1
    bars = [
        Bar(
            label=row.label,
            # An hour without events has no lag, which is not a lag of 0.
            text="—" if row.value is None else row.text or text.format(row.value),
            width=round((row.value or 0) / most * _LONGEST_BAR),
            y=24 * number,
        )
        for number, row in enumerate(rows)
    ]
    return Chart(title=title, bars=bars)

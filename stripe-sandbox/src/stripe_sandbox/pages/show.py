"""Turns amounts, times, statuses and JSON into what people read."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from stripe_sandbox.objects.common import Thing

# What stands where there is nothing to show.
NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"

_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "inr": "₹", "cad": "CA$", "aud": "A$"}

# Source: https://docs.stripe.com/currencies#zero-decimal
_ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split(" ")  # noqa: SIM905 -- a list of codes reads best as a line
)

_TONES = {
    "good": {"active", "paid", "succeeded", "complete", "ready", "enabled", "delivered"},
    "wait": {
        "trialing",
        "open",
        "requires_action",
        "requires_confirmation",
        "requires_payment_method",
        "requires_capture",
        "processing",
        "incomplete",
        "waiting",
        "advancing",
        "paused",
    },
    "bad": {"past_due", "unpaid", "failed", "uncollectible", "incomplete_expired", "dropped"},
}

# Ids of the objects that have a page: a short prefix, then base-62 text.
_ID = re.compile(
    r"\b(?:cus|sub|in|pi|seti|pm|price(?!_details)|prod|evt|ch|re|cs_test|clock|ii|inpay|we|bpc|bps|"
    r"promo|di|cbtxn)_[A-Za-z0-9_]{3,}\b"
)


def money(amount: int | None, currency: str | None) -> str:
    """An amount in the smallest unit, as people write it: `$10.00`."""
    if amount is None:
        return NOTHING
    code = (currency or "usd").lower()
    number = f"{abs(amount):,}" if code in _ZERO_DECIMAL else f"{abs(amount) / 100:,.2f}"
    sign = _MINUS if amount < 0 else ""
    symbol = _SYMBOLS.get(code)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {code.upper()}"


def when(seconds: float | None) -> Markup:
    """A time in UTC, short enough for a table."""
    if not seconds:
        return escape(NOTHING)
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.strftime("%A, %d %B %Y, %H:%M:%S"), at.strftime("%d %b %Y, %H:%M")
    )


def moment(seconds: float | None) -> Markup:
    """A time in UTC to the second, for what happens in quick succession."""
    if not seconds:
        return escape(NOTHING)
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(), at.strftime("%d %b %Y, %H:%M:%S")
    )


def day(seconds: float | None) -> Markup:
    """A date in UTC."""
    if not seconds:
        return escape(NOTHING)
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), at.strftime("%d %b %Y"))


def breakable(text: str) -> Markup:
    """A dotted name or an address that may wrap after its punctuation."""
    parts = re.split(r"(?<=[._/])", text)
    return Markup("<wbr>").join(escape(part) for part in parts)


def badge(status: str | None) -> Markup:
    """A status as a coloured pill."""
    if not status:
        return escape(NOTHING)
    tone = next((tone for tone, names in _TONES.items() if status in names), "calm")
    label = status.replace("_", " ").capitalize()
    return Markup('<span class="badge {}">{}</span>').format(tone, label)


def price_of(price: Thing) -> str:
    """What a price asks for: `$10.00 / month`."""
    amount = money(price["unit_amount"], price["currency"])
    recurring = price["recurring"]
    if not recurring:
        return amount
    count, interval = recurring["interval_count"], recurring["interval"]
    return f"{amount} / {interval}" if count == 1 else f"{amount} every {count} {interval}s"


def card_of(method: Thing | None) -> str:
    """A saved card: `Visa •••• 4242`."""
    if not method or not method.get("card"):
        return NOTHING
    return f"{method['card']['brand'].capitalize()} •••• {method['card']['last4']}"


def json_of(value: Any) -> Markup:
    """Indented JSON with coloured tokens, in which ids lead to their objects."""
    return Markup("\n").join(_line(line) for line in json.dumps(value, indent=2).splitlines())


_LINE = re.compile(r'^(\s*)("(?:[^"\\]|\\.)*": )?(.*?)(,?)$')


def _line(line: str) -> Markup:
    matched = _LINE.match(line)
    indent, name, value, comma = matched.groups() if matched else ("", None, line, "")
    key = Markup('<span class="k">{}</span>: ').format(name[:-2]) if name else Markup("")
    return Markup("{}{}{}{}").format(indent, key, _token(value), comma)


def _token(value: str) -> Markup:
    if value.startswith('"'):
        return Markup('<span class="s">{}</span>').format(linked(value))
    if value in {"true", "false", "null"}:
        return Markup('<span class="l">{}</span>').format(value)
    if value[:1] in "-0123456789" and value:
        return Markup('<span class="n">{}</span>').format(value)
    return escape(value)


def linked(text: str) -> Markup:
    """Text in which every id of an object is a link to the object's page."""
    parts: list[Markup] = []
    position = 0
    for found in _ID.finditer(text):
        parts.append(escape(text[position : found.start()]))
        if "_secret_" in found.group():
            parts.append(escape(found.group()))
        else:
            parts.append(Markup('<a href="/objects/{0}">{0}</a>').format(found.group()))
        position = found.end()
    return Markup("").join([*parts, escape(text[position:])])

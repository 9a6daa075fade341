"""Amounts as people read them: Stripe counts each currency in a smallest unit of its own."""

from decimal import Decimal

from subscriptions.models import SubscriptionItem, SubscriptionProduct

# Source: https://docs.stripe.com/currencies. ISK and UGX have no decimals, but are counted in
# hundredths by Stripe.
_ZERO_DECIMAL = frozenset(
    (
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
    )
)
_THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))


def in_units(amount: Decimal | int, currency: str) -> Decimal:
    """Convert an amount from the smallest unit to whole ones, such as cents to dollars.

    Args:
        amount: In the currency's smallest unit.
        currency: Three letters.
    """
    return Decimal(amount).scaleb(-_decimals(currency))


def money_text(amount: Decimal | int, currency: str) -> str:
    """Write an amount with its currency's decimals, and more only for a fraction of them.

    Args:
        amount: In the currency's smallest unit.
        currency: Three letters.
    """
    units, decimals = in_units(amount, currency), _decimals(currency)
    exponent = units.normalize().as_tuple().exponent
    shown = max(decimals, -exponent if isinstance(exponent, int) else 0)
    return f"{units:,.{shown}f} {currency.upper()}"


def price_text(row: SubscriptionItem | SubscriptionProduct) -> str:
    """Write what something costs and how often.

    Args:
        row: What has a price of Stripe's.
    """
    if row.unit_amount_decimal is None:
        return "no fixed price" if row.currency else "not known yet"
    every = row.interval if row.interval_count == 1 else f"{row.interval_count} {row.interval}s"
    return f"{money_text(row.unit_amount_decimal, row.currency)} per {every}"


def _decimals(currency: str) -> int:
    code = currency.upper()
    if code in _ZERO_DECIMAL:
        return 0
    return 3 if code in _THREE_DECIMAL else 2

"""Which Stripe account this database belongs to; no call is made with the key of another one.

To a key of another account, or of the other mode, every customer of ours looks as if it did not
exist. So the account is compared before anything is asked of it or written.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction

from subscriptions.errors import (
    PermissionMissing,
    StripeObjectNotFound,
    WrongStripeAccount,
)
from subscriptions.models import Customer, StripeAccount, SubscriptionProduct

# A process notices within this time that an operator moved the database to another account.
RECHECK_SECONDS = 5.0
_SAMPLE = 3

_log = logging.getLogger(__name__)
# Makes one GET with the configured key.
Get = Callable[..., dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account in one of its two modes.

    Args:
        id: `acct_…`; empty if the key may not read it.
        livemode: Whether the key is a live one.
    """

    id: str
    livemode: bool

    def __str__(self) -> str:
        return f"{self.id or 'an unknown account'} ({'live' if self.livemode else 'test'} mode)"


class _Checked:
    """What this process knows: whose key it has, and which row of the database agreed with it."""

    def __init__(self) -> None:
        self.account: Account | None = None
        self.agreed_with: Account | None = None
        self.agreed_at = float("-inf")


@cache
def _checked() -> _Checked:
    return _Checked()


def forget_account() -> None:
    """Ask Stripe again at the next call, as a process that has just started does."""
    _checked.cache_clear()


def require_our_account(get: Get) -> None:
    """Let a call pass only if the key belongs to the account that filled the database.

    Args:
        get: Makes a call without this check.

    Raises:
        WrongStripeAccount: It belongs to another one. Nothing was written.
        PaymentGatewayUnavailable: Stripe did not say.
    """
    checked = _checked()
    if time.monotonic() - checked.agreed_at < RECHECK_SECONDS:
        return
    try:
        stored = stored_account()
    except DatabaseError:
        # stripe_bootstrap runs before the database is there. What cannot be read now holds no
        # customer of ours that the key could miss, or fails the request by itself.
        return
    if stored is None or stored != checked.agreed_with:
        if checked.account is None:
            checked.account = identify(get)
        checked.agreed_with = _agree(checked.account, stored=stored, get=get)
    checked.agreed_at = time.monotonic()


def identify(get: Get) -> Account:
    """Return the key's account.

    A restricted key may lack the permission `connected_account_read`; its account has no id then.
    """
    livemode = settings.BILLING.stripe_api_secret.startswith(("sk_live_", "rk_live_"))
    try:
        return Account(id=get("/v1/account")["id"], livemode=livemode)
    except PermissionMissing:
        return Account(id="", livemode=livemode)


def stored_account() -> Account | None:
    """Return the account this database belongs to; None before the first call at Stripe."""
    row = StripeAccount.objects.first()
    return None if row is None else Account(id=row.account_id, livemode=row.livemode)


@transaction.atomic
def bind(account: Account) -> Account:
    """Store that the database belongs to an account from now on, and return it."""
    StripeAccount.objects.update_or_create(
        defaults={"account_id": account.id, "livemode": account.livemode}
    )
    _log.info("The database belongs to a Stripe account now", extra={"account": str(account)})
    return account


def _agree(account: Account, *, stored: Account | None, get: Get) -> Account:
    """Return the stored account, which may be new, or refuse."""
    if stored is not None and stored == account and account.id:
        return stored
    if not _customers().exists():
        # Nothing here can be mistaken for deleted yet: start first, fill in the key later.
        return bind(account)
    both_known = stored is not None and stored.id and account.id
    other_mode = stored is not None and stored.livemode != account.livemode
    # Filled before accounts were kept, or the key may not tell: our own objects decide.
    if both_known or other_mode or not _sees_our_objects(get):
        raise _refusal(account, stored=stored)
    return stored if stored is not None and stored.id else bind(account)


def _sees_our_objects(get: Get) -> bool:
    """Whether the key sees a price we sell at, or one of our latest customers."""
    prices = SubscriptionProduct.objects.exclude(stripe_product_id="").order_by("pk")
    customers = _customers().filter(deleted_at=None).order_by("-pk")
    paths = [
        *(f"/v1/customers/{each}" for each in _ids(customers, "stripe_customer_id")),
        *(f"/v1/prices/{each}" for each in _ids(prices, "price_reference")),
    ]
    return any(_is_visible(path, get=get) for path in paths)


def _is_visible(path: str, *, get: Get) -> bool:
    try:
        get(path)
    except (StripeObjectNotFound, PermissionMissing):
        return False
    return True


def _ids(rows: Any, column: str) -> list[str]:
    return list(rows.values_list(column, flat=True)[:_SAMPLE])


def _customers() -> Any:
    return Customer.objects.exclude(stripe_customer_id=None)


def _refusal(account: Account, *, stored: Account | None) -> WrongStripeAccount:
    filled_from = stored or "an account in which our customers exist"
    return WrongStripeAccount(
        f"STRIPE_API_SECRET is a key of {account}, but this database was filled from "
        f"{filled_from}. Nothing was written. Put the right key back; to move on purpose, run "
        f"`manage.py stripe_account move --to {account.id or 'acct_…'}`."
    )

"""One client for Stripe: concurrency, time budget, retries, and its errors as ours."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache, partial
from threading import BoundedSemaphore
from typing import Any, Literal
from urllib.parse import quote

import requests
import stripe
from django.conf import settings
from django.db import connection
from requests.adapters import HTTPAdapter

from errors import BillingError
from subscriptions.errors import (
    AddressRequired,
    CardDeclined,
    IdempotencyMismatch,
    KeyRefused,
    PaymentGatewayBusy,
    PaymentGatewayRefused,
    PaymentGatewayUnavailable,
    PermissionMissing,
    ReplayedFailure,
    StripeObjectNotFound,
)
from subscriptions.stripe_gateway.account import require_our_account
from subscriptions.stripe_gateway.metrics import STRIPE_CALLS

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 10.0
BUDGET_SECONDS = 25.0
RETRIES = 2
# A thread that calls Stripe mostly waits, and all come back at once. So many of a process's
# threads may do so; the others are left for what the database answers.
MAX_CONCURRENT_CALLS = 24
LONGEST_WAIT_SECONDS = 12.0
# The SDK's `raw_request` takes these names for itself, so they would not reach Stripe.
_NO_PARAMS = frozenset(("usage", "base", "headers", "content_type"))

# Stripe masks most of a key in its messages; what is left does not belong in a log either.
_KEY = re.compile(r"'?\b(sk|rk)_(test|live)_[\w*]+'?", re.ASCII)
_PERMISSION = re.compile(r"\brak_\w+", re.ASCII)

_log = logging.getLogger(__name__)
_concurrent_calls = BoundedSemaphore(MAX_CONCURRENT_CALLS)
_deadline: ContextVar[float | None] = ContextVar("stripe_deadline", default=None)
_recorded: ContextVar[list[dict[str, str]] | None] = ContextVar("stripe_calls", default=None)
# At most one: what every call of this process waits for.
_pace: list[Callable[[], None]] = []


def pace_calls(wait: Callable[[], None] | None) -> None:
    """Let each call of this process wait for its turn first, retries included.

    Args:
        wait: Returns when the turn has come. None: calls do not wait.
    """
    _pace[:] = [wait] if wait else []


@contextlib.contextmanager
def time_budget(seconds: float = BUDGET_SECONDS) -> Iterator[None]:
    """Take a turn with Stripe, and bound the time that all of its answers may take together.

    Args:
        seconds: The whole budget, the wait for a turn included; a block inside another one
            belongs to the same turn and cannot extend it.

    Raises:
        PaymentGatewayUnavailable: Too many others of this process are waiting for Stripe.
    """
    outer = _deadline.get()
    ours = time.monotonic() + seconds
    with contextlib.nullcontext() if outer is not None else _turn(seconds):
        token = _deadline.set(ours if outer is None else min(ours, outer))
        try:
            yield
        finally:
            _deadline.reset(token)


@contextlib.contextmanager
def _turn(seconds: float) -> Iterator[None]:
    release_db_connection()
    if not _concurrent_calls.acquire(timeout=min(seconds, LONGEST_WAIT_SECONDS)):
        raise PaymentGatewayUnavailable("Too many payments are under way. Try again shortly.")
    try:
        yield
    finally:
        _concurrent_calls.release()


@contextlib.contextmanager
def recorded_calls() -> Iterator[list[dict[str, str]]]:
    """Collect the idempotency key and Stripe's request id of every call inside the block."""
    calls: list[dict[str, str]] = []
    token = _recorded.set(calls)
    try:
        yield calls
    finally:
        _recorded.reset(token)


def call(
    method: Literal["get", "post", "delete"],
    path: str,
    *ids: str,
    params: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Make one call and return the answer as plain data.

    The SDK's typed methods would build a tree of its objects out of every answer, which takes
    longer than the rest of the call.

    Args:
        method: The HTTP method.
        path: With `{}` where an id belongs.
        ids: What belongs there; escaped, since some come from callers.
        params: The call's parameters.
        key: Idempotency key. The SDK would make one up, but only its own retries would share it.

    Raises:
        PaymentGatewayUnavailable: No answer in time or a 5xx.
        PaymentGatewayBusy: A rate limit.
        KeyRefused: HTTP 401.
        PermissionMissing: HTTP 403.
        WrongStripeAccount: The key is not of the account that filled the database.
        ReplayedFailure: A 5xx that Stripe repeats under this key.
        CardDeclined: HTTP 402.
        StripeObjectNotFound: A named object does not exist, or not for our key.
        IdempotencyMismatch: The key was used with other parameters.
        PaymentGatewayRefused: Any other 4xx.
    """
    if not _NO_PARAMS.isdisjoint(params or ()):
        raise ValueError(f"{path}: the SDK would keep one of {sorted(_NO_PARAMS)} to itself")
    require_our_account(partial(call_unchecked, "get"))
    return call_unchecked(method, path, *ids, params=params, key=key)


def pages(
    path: str, *ids: str, params: Mapping[str, Any] | None = None, after: str | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list up to its end, newest first.

    Args:
        path: As for `call`.
        ids: The same.
        params: The same.
        after: Begin behind the object with this id.

    Raises:
        BillingError: As for `call`.
    """
    while True:
        position = {"starting_after": after} if after else {}
        page = call("get", path, *ids, params={"limit": 100, **(params or {}), **position})
        yield page["data"]
        if not page["has_more"]:
            return
        after = page["data"][-1]["id"]


def call_unchecked(
    method: Literal["get", "post", "delete"],
    path: str,
    *ids: str,
    params: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """Make one call as `call` does, but with the key of any account: to find out whose it is."""
    options = {"idempotency_key": key} if key else {}
    release_db_connection()
    began = time.monotonic()
    try:
        answer = client().raw_request(
            method,
            path.format(*(quote(each, safe="") for each in ids)),
            **(params or {}),
            **options,
        )
    except stripe.StripeError as error:
        _record(key=key, request_id=error.request_id, outcome=type(error).__name__)
        refusal = _translate(error)
        STRIPE_CALLS.labels(refusal.code).observe(time.monotonic() - began)
        _log_refusal(error, refusal)
        # Not chained: Stripe's exception carries the whole response body in its arguments.
        raise refusal from None
    STRIPE_CALLS.labels("ok").observe(time.monotonic() - began)
    outcome = "replayed" if _is_replayed(answer.headers) else "ok"
    _record(key=key, request_id=answer.request_id, outcome=outcome)
    data: dict[str, Any] = answer.data
    return data


@cache
def client() -> stripe.StripeClient:
    """Return the process's client; it is made on first use, after any fork."""
    base = settings.BILLING.stripe_api_base
    return stripe.StripeClient(
        settings.BILLING.stripe_api_secret,
        base_addresses={"api": base} if base else {},
        # Without this the client does not retry at all, other than the module-level API.
        max_network_retries=RETRIES,
        http_client=stripe.RequestsClient(session=_BudgetSession(to_sandbox=bool(base))),
    )


class _BudgetSession(requests.Session):
    """Connections to Stripe that end with the caller's budget."""

    def __init__(self, *, to_sandbox: bool) -> None:
        super().__init__()
        # The sandbox is on this machine or in this network; a proxy is for the real address.
        self.trust_env = not to_sandbox
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=MAX_CONCURRENT_CALLS))

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # the SDK passes everything else by name
        """Send a request, waiting at most as long as the budget still allows."""
        for wait in _pace:
            wait()
        left = _seconds_left()
        kwargs["timeout"] = (
            min(CONNECT_TIMEOUT_SECONDS, left),
            min(READ_TIMEOUT_SECONDS, left),
        )
        return super().request(method, url, **kwargs)


def release_db_connection() -> None:
    """Give the database connection back while we wait.

    There are fewer than threads: those who wait for their turn would keep all of them from those
    who have one.
    """
    if not connection.in_atomic_block:
        connection.close()


def _seconds_left() -> float:
    deadline = _deadline.get()
    if deadline is None:
        return READ_TIMEOUT_SECONDS
    left = deadline - time.monotonic()
    if left <= 0:
        raise requests.Timeout("the time budget for Stripe is used up")
    return left


def _record(*, key: str | None, request_id: str | None, outcome: str) -> None:
    calls = _recorded.get()
    if calls is not None:
        calls.append({"key": key or "", "request_id": request_id or "", "outcome": outcome})


def _log_refusal(error: stripe.StripeError, refusal: BillingError) -> None:
    if isinstance(refusal, CardDeclined):
        return
    message = _KEY.sub("a key", str(error.user_message or error))
    _log.warning(
        "Stripe refused a call",
        extra={
            "code": refusal.code,
            "stripe_message": message,
            "stripe_error": type(error).__name__,
            "stripe_code": error.code,
            "stripe_param": getattr(error, "param", None),
            "stripe_request_id": error.request_id,
            "stripe_status": error.http_status,
        },
    )


def _translate(error: stripe.StripeError) -> BillingError:  # noqa: PLR0911 - one a kind of error
    match error:
        case stripe.CardError():
            return _decline(error)
        case stripe.IdempotencyError():
            return IdempotencyMismatch("This attempt to subscribe cannot be finished.")
        case stripe.InvalidRequestError():
            return _refused(error)
        case stripe.AuthenticationError():
            return KeyRefused("Payments are not available: the payment gateway refused our key.")
        case stripe.PermissionError():
            named = _PERMISSION.search(str(error))
            return PermissionMissing(
                "Payments are not available: our key lacks a permission at the payment gateway.",
                permission=named.group() if named else "",
            )
        case stripe.RateLimitError():
            return PaymentGatewayBusy(
                "The payment gateway is busy. Try again shortly.", retry_after_seconds=2
            )
        case _:
            return _unavailable(error)


def _refused(error: stripe.InvalidRequestError) -> BillingError:
    # Not the status: a bad id is 404 in the path and 400 in the body.
    if error.code == "resource_missing":
        return StripeObjectNotFound(
            "Stripe does not know that object.", param=str(error.param or "id")
        )
    if error.code == "customer_tax_location_invalid":
        return AddressRequired()
    return PaymentGatewayRefused("The payment gateway refused the request.")


def _unavailable(error: stripe.StripeError) -> PaymentGatewayUnavailable:
    # Stripe keeps whatever it first answered under a key, its own failures too.
    kind = ReplayedFailure if _is_replayed(error.headers) else PaymentGatewayUnavailable
    return kind("The payment gateway cannot be reached. Try again shortly.", retry_after_seconds=5)


def _is_replayed(headers: Mapping[str, str] | None) -> bool:
    named = {name.lower(): value for name, value in (headers or {}).items()}
    return named.get("idempotent-replayed") == "true"


def _decline(error: stripe.CardError) -> CardDeclined:
    details = error.json_body.get("error", {}) if isinstance(error.json_body, dict) else {}
    card = (details.get("payment_method") or {}).get("card") or {}
    return CardDeclined(
        error.user_message or "Your card was declined.",
        decline_code=details.get("decline_code") or error.code or "generic_decline",
        fingerprint=card.get("fingerprint") or "",
    )

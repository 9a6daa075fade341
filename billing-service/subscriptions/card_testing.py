"""Slows down card testing: refused cards are counted per user, network and card.

Cards are also tried in a browser with a setup intent, past this service. So the setup intents that
a user and a network start are counted, and Stripe tells which of them failed.
"""

import hashlib
import ipaddress
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from subscriptions.errors import TooManyCardFailures, TooManyRequests, TooManySetupIntents
from subscriptions.models import CardFailure, SecretRequest, StartedSetup
from subscriptions.stripe_gateway.events import StripeSetupFailure

WINDOW = timedelta(hours=1)
# Of one user; each is a call at Stripe.
SECRETS_PER_MINUTE = 30
# What one customer of an internet provider gets, as a rule (RFC 6177).
_IPV6_NETWORK_BITS = 64

# Of one limit that is reached, the row whose expiry brings the count below it again.
_REACHED = """
(SELECT at FROM {table} WHERE {condition} AND at > %s
 ORDER BY at DESC OFFSET %s LIMIT 1)
"""


class _Limit(NamedTuple):
    """How many rows within the window may fulfil a condition."""

    condition: str
    values: tuple[object, ...]
    most: int


def reference_of(payment_method: str) -> str:
    """Name a payment method without keeping its id, before its fingerprint is known.

    Args:
        payment_method: `pm_…`, as the caller sent it.
    """
    return hashlib.sha256(payment_method.encode()).hexdigest()


def refuse_if_too_many_failures(
    *, user_id: UUID, client_ip: str | None, payment_method: str
) -> None:
    """Let a request through unless too many cards were refused within the last hour.

    Args:
        payment_method: `pm_…`, as the caller sent it.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    billing = settings.BILLING
    card = _Limit("reference = %s", (reference_of(payment_method),), billing.card_failures_per_card)
    _refuse_failures(card, *_limits_of_failures(user_id, client_ip=client_ip))


def refuse_if_too_many_setups(*, user_id: UUID, client_ip: str | None) -> None:
    """Let a new setup intent through unless there were too many, or too many refused cards.

    Raises:
        TooManyCardFailures, TooManySetupIntents: With the seconds until enough stop counting.
    """
    billing = settings.BILLING
    _refuse_failures(*_limits_of_failures(user_id, client_ip=client_ip))
    limits = _limits(
        user_id,
        client_ip=client_ip,
        per_user=billing.setup_intents_per_user,
        per_network=billing.setup_intents_per_source,
    )
    if seconds := _seconds_to_wait("subscriptions_startedsetup", *limits):
        raise TooManySetupIntents(retry_after_seconds=seconds)


def count_secret_request(user_id: UUID) -> None:
    """Let a request for a payment's client secret through unless there were too many.

    Raises:
        TooManyRequests: With the seconds until enough stop counting.
    """
    limit = _Limit("user_id = %s", (user_id,), SECRETS_PER_MINUTE)
    window = timedelta(minutes=1)
    if seconds := _seconds_to_wait("subscriptions_secretrequest", limit, window=window):
        raise TooManyRequests(retry_after_seconds=seconds)
    SecretRequest.objects.create(user_id=user_id)


def remember_setup(*, user_id: UUID, client_ip: str | None, setup_intent: str) -> None:
    """Count one setup intent, so that its failures can be counted too."""
    StartedSetup.objects.create(
        user_id=user_id, source=client_ip, stripe_setup_intent_id=setup_intent
    )


def remember_setup_failure(failure: StripeSetupFailure) -> None:
    """Count a card that was refused in the browser, once for each event.

    Args:
        failure: As Stripe reports it. Of an intent that is not counted, it is ignored: the answer
            to its call was counted, or it is not ours.
    """
    setup = StartedSetup.objects.filter(stripe_setup_intent_id=failure.setup_intent_id).first()
    if setup is None:
        return
    row = CardFailure(
        user_id=setup.user_id,
        source=setup.source,
        reference=reference_of(failure.payment_method_id),
        fingerprint=failure.fingerprint,
        code=failure.code,
        at=failure.at,
        stripe_event_id=failure.event_id,
    )
    CardFailure.objects.bulk_create([row], ignore_conflicts=True)


def has_too_many_failures(user_id: UUID) -> bool:
    """Return whether too many cards of a user were refused within the last hour."""
    limits = _limits_of_failures(user_id, client_ip=None)
    return _seconds_to_wait("subscriptions_cardfailure", *limits) > 0


def refuse_failing_card(fingerprint: str) -> None:
    """Let a card through unless it was refused too often, under whatever id.

    Args:
        fingerprint: Stripe's, known once the card is attached.

    Raises:
        TooManyCardFailures: With the seconds until enough failures stop counting.
    """
    if fingerprint:
        most = settings.BILLING.card_failures_per_card
        _refuse_failures(_Limit("fingerprint = %s", (fingerprint,), most))


def remember_failure(
    *, user_id: UUID, client_ip: str | None, payment_method: str, fingerprint: str, code: str
) -> None:
    """Count one refused card.

    Args:
        payment_method: `pm_…`, as the caller sent it.
        fingerprint: Stripe's, if it sent one.
        code: Why the card was refused.
    """
    CardFailure.objects.create(
        user_id=user_id,
        source=client_ip,
        reference=reference_of(payment_method),
        fingerprint=fingerprint,
        code=code,
    )


def _refuse_failures(*limits: _Limit) -> None:
    if seconds := _seconds_to_wait("subscriptions_cardfailure", *limits):
        raise TooManyCardFailures(retry_after_seconds=seconds)


def _limits_of_failures(user_id: UUID, *, client_ip: str | None) -> list[_Limit]:
    billing = settings.BILLING
    return _limits(
        user_id,
        client_ip=client_ip,
        per_user=billing.card_failures_per_user,
        per_network=billing.card_failures_per_source,
    )


def _limits(
    user_id: UUID, *, client_ip: str | None, per_user: int, per_network: int
) -> list[_Limit]:
    limits = [_Limit("user_id = %s", (user_id,), per_user)]
    if client_ip:
        limits.append(_Limit("source BETWEEN %s AND %s", _network_of(client_ip), per_network))
    return limits


def _network_of(client_ip: str) -> tuple[str, str]:
    """Return the first and the last address of a client's network."""
    address = ipaddress.ip_address(client_ip)
    bits = address.max_prefixlen if address.version == 4 else _IPV6_NETWORK_BITS  # noqa: PLR2004 - IPv4
    network = ipaddress.ip_network((address, bits), strict=False)
    return str(network[0]), str(network[-1])


def _seconds_to_wait(table: str, *limits: _Limit, window: timedelta = WINDOW) -> int:
    """Ask about all limits at once; put together by the ORM the same takes five times as long."""
    since = timezone.now() - window
    asked = " UNION ALL ".join(
        _REACHED.format(table=table, condition=limit.condition) for limit in limits
    )
    values: list[Any] = []
    for limit in limits:
        values += [*limit.values, since, limit.most - 1]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(at) FROM ({asked}) AS reached", values)  # noqa: S608 - our own names
        [last] = cursor.fetchone()
    return 0 if last is None else int((last - since).total_seconds()) + 1

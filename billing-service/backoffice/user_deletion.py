"""Deletes a user: at Stripe first, then at auth-service, then the personal data here.

`finish_deletion` is the whole of it. Every step can be repeated. A row with `deletion_requested_at`
and without `anonymised_at` is a pending deletion, which the worker continues every minute, so
a deletion survives an outage of Stripe, of auth-service and of this service.
"""

import logging
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from backoffice.models import BulkAction
from errors import BillingError
from subscriptions.errors import NotOurCustomer
from subscriptions.managing.customer_deletion import delete_customer, let_go
from subscriptions.models import (
    CardFailure,
    Customer,
    PaymentMethod,
    SecretRequest,
    StartedSetup,
    SubscribeAttempt,
)
from subscriptions.subscribing.attempts import refuse_open_attempt
from subscriptions.subscribing.subscribe import recover
from subscriptions.sync.customer_rows import lock_customer
from users.auth_client import Actor, AuthRefused, AuthUnavailable, auth_client
from users.mirror import anonymise, apply_user
from users.models import User

logger = logging.getLogger(__name__)


def request_deletion(user_id: UUID, *, actor: Actor) -> None:
    """Start a deletion, or take over a pending one, and finish it if everything answers.

    Args:
        actor: The member of staff who asked for it.

    Raises:
        AuthRefused: auth-service keeps the user (the last superuser, or one the actor may not
            manage). Nothing was done.
        BillingError: Stripe or auth-service is unavailable. The deletion is pending.
    """
    try:
        _deactivate(user_id, actor=actor)
    except AuthUnavailable:
        _store_request(user_id, actor=actor)
        raise
    _store_request(user_id, actor=actor)
    finish_deletion(user_id)


def finish_deletion(user_id: UUID) -> None:
    """Carry out one requested deletion.

    Raises:
        BillingError: Stripe or auth-service is unavailable or refused, or a subscription is being
            created. The deletion stays pending.
    """
    actor = _requested_by(user_id)
    # Deactivated first, so that no subscription begins after the last one is cancelled.
    _deactivate(user_id, actor=actor)

    recover(user_id=user_id)
    _refuse_while_subscribing(user_id)
    # Those marked deleted as well: what they stand for may exist at Stripe after all.
    for customer in Customer.objects.filter(user_id=user_id):
        try:
            delete_customer(customer, cause="user deleted")
        except NotOurCustomer:
            let_go(customer, cause="user deleted")
    _forget_cards_and_addresses(user_id)

    auth_client().delete_user(user_id, actor=actor)
    anonymise(user_id)


def finish_deletions() -> int:
    """Continue with every pending deletion; return how many were finished."""
    pending = User.objects.filter(deletion_requested_at__isnull=False, anonymised_at=None)
    return sum(_finished(user_id) for user_id in pending.values_list("id", flat=True))


def _finished(user_id: UUID) -> bool:
    try:
        finish_deletion(user_id)
    except BillingError as error:
        logger.warning("Deletion is pending", extra={"user_id": str(user_id), "code": error.code})
        return False
    except Exception:
        # A bug that concerns one user must not keep the others from being deleted.
        logger.exception("Deletion is pending", extra={"user_id": str(user_id)})
        return False
    return True


def _deactivate(user_id: UUID, *, actor: Actor | None) -> None:
    try:
        apply_user(auth_client().deactivate_user(user_id, actor=actor))
    except AuthRefused as refusal:
        # Deleted there already: an earlier run lost the answer, or auth-service did it itself.
        if refusal.reason != "user_not_found":
            raise


def _store_request(user_id: UUID, *, actor: Actor) -> None:
    User.objects.filter(id=user_id).update(
        deletion_requested_at=Coalesce("deletion_requested_at", Value(timezone.now())),
        deletion_requested_by=actor.user_id,
        deletion_requested_from=actor.client_ip,
    )


def _requested_by(user_id: UUID) -> Actor | None:
    user = User.objects.get(id=user_id)
    if user.deletion_requested_by is None:
        return None
    return Actor(user.deletion_requested_by, user.deletion_requested_from)


def _refuse_while_subscribing(user_id: UUID) -> None:
    """Wait for a request that began before the user was deactivated; later ones are refused."""
    with transaction.atomic():
        customer = lock_customer(user_id)
        refuse_open_attempt(user_id)
        if customer.stripe_customer_id is None and not customer.attempts.exists():
            # Created by the lock. Kept, it would say that the user had been a customer.
            customer.delete()


@transaction.atomic
def _forget_cards_and_addresses(user_id: UUID) -> None:
    """Blank IP addresses and card details; amounts, dates and Stripe's ids stay."""
    SubscribeAttempt.objects.filter(user_id=user_id).update(source=None)
    BulkAction.objects.filter(started_by_id=user_id).update(started_from="")
    CardFailure.objects.filter(user_id=user_id).delete()
    StartedSetup.objects.filter(user_id=user_id).delete()
    SecretRequest.objects.filter(user_id=user_id).delete()
    PaymentMethod.objects.filter(customer__user_id=user_id).update(
        brand="", last4="", exp_month=None, exp_year=None, fingerprint=""
    )

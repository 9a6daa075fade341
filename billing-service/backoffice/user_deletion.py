"""Removes a user for good: first at Stripe, then at auth-service, then here.

Each step is safe to repeat, and the row's `deletion_requested_at` without `anonymised_at` says
that there is something left to do, so a deletion survives the absence of any of the three.
"""

import logging
from uuid import UUID

from django.db.models import Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from errors import BillingError
from subscriptions.managing.user_deletion import cancel_everything_for
from users.auth_client import Actor, AuthRefused, AuthUnavailable, auth_client
from users.mirror import anonymise, apply_user
from users.models import User

logger = logging.getLogger(__name__)


def request_deletion(user_id: UUID, *, actor: Actor) -> None:
    """Begin a deletion, or take one over that waits: it is finished now or by the worker.

    Args:
        user_id: Who is to go.
        actor: The member of staff who asked for it.

    Raises:
        AuthRefused: auth-service wants the user kept (the last superuser, or one out of the
            actor's reach); nothing was done.
        BillingError: Stripe or auth-service is away; the deletion is pending.
    """
    try:
        _switch_off(user_id, actor=actor)
    except AuthUnavailable:
        _note_request(user_id, actor=actor)
        raise
    _note_request(user_id, actor=actor)
    finish_deletion(user_id)


def finish_deletion(user_id: UUID) -> None:
    """Carry one requested deletion to its end.

    Raises:
        BillingError: Stripe or auth-service is away or refused; the deletion stays pending.
    """
    actor = _requester(user_id)
    # Switched off first, so that nobody subscribes between the cancellation and the end.
    _switch_off(user_id, actor=actor)
    cancel_everything_for(user_id)
    auth_client().delete_user(user_id, actor=actor)
    anonymise(user_id)


def _switch_off(user_id: UUID, *, actor: Actor | None) -> None:
    try:
        apply_user(auth_client().deactivate_user(user_id, actor=actor))
    except AuthRefused as refusal:
        # Gone already, by an earlier try that lost the answer or by auth-service's own hand.
        if refusal.reason != "user_not_found":
            raise


def _note_request(user_id: UUID, *, actor: Actor) -> None:
    User.objects.filter(id=user_id).update(
        deletion_requested_at=Coalesce("deletion_requested_at", Value(timezone.now())),
        deletion_requested_by=actor.user_id,
        deletion_requested_from=actor.source,
    )


def _requester(user_id: UUID) -> Actor | None:
    user = User.objects.get(id=user_id)
    if user.deletion_requested_by is None:
        return None
    return Actor(user.deletion_requested_by, user.deletion_requested_from)


def finish_deletions() -> int:
    """Carry every pending deletion as far as it goes; return how many were finished."""
    pending = User.objects.filter(deletion_requested_at__isnull=False, anonymised_at=None)
    return sum(_finished(user_id) for user_id in pending.values_list("id", flat=True))


def _finished(user_id: UUID) -> bool:
    try:
        finish_deletion(user_id)
    except BillingError as error:
        logger.warning(
            "deletion stays pending", extra={"user_id": str(user_id), "code": error.code}
        )
        return False
    except Exception:
        # One that cannot be finished must not keep the others from it.
        logger.exception("deletion stays pending", extra={"user_id": str(user_id)})
        return False
    return True

"""Links a customer that exists at Stripe to a user, such as one who subscribed by other means.

`prepare` checks everything and writes nothing, `link` does it. A user has one customer; the one
of before stays at Stripe without a user, and must have nothing running.
"""

import contextlib
from dataclasses import dataclass

from django.db import transaction

from subscriptions.errors import (
    AttemptInProgress,
    CustomerDeletedAtStripe,
    CustomerNotVisible,
    LinkRefused,
    PaymentUnderWay,
    StripeObjectNotFound,
)
from subscriptions.models import Customer, CustomerLink, SubscribeAttempt, Subscription
from subscriptions.statuses import ENDED
from subscriptions.stripe_gateway import customers as stripe_customers
from subscriptions.stripe_gateway.hosted_pages import close_checkout_session
from subscriptions.stripe_gateway.objects import StripeCustomer, StripeSubscription
from subscriptions.stripe_gateway.subscriptions import fetch_subscriptions_of
from subscriptions.sync.customer_rows import acting_for, lock_customer, lock_row, take_place_of
from subscriptions.sync.subscription_rows import ours_among
from subscriptions.sync.writer import as_uuid, refresh_customer
from users.models import User


@dataclass(frozen=True, kw_only=True)
class Link:
    """What linking a customer to a user does, or has done."""

    user: User
    stripe_customer_id: str
    # The customer that is the user's now; empty if there is none at Stripe.
    replaces: str
    is_linked: bool
    # Those that have not ended.
    subscriptions: tuple[StripeSubscription, ...]
    # Subscriptions of other products, which are left alone.
    others: tuple[StripeSubscription, ...]

    @property
    def sentences(self) -> list[str]:
        """Say for people what it means."""
        if self.is_linked:
            said = [f"{self.stripe_customer_id} is the customer of {self.user} already."]
        else:
            said = [f"{self.stripe_customer_id} becomes the customer of {self.user}."]
        said += [f"{each.id} ({each.status}) is the subscription." for each in self.subscriptions]
        said += [f"{each.id} is of another product and is left alone." for each in self.others]
        if self.replaces:
            said.append(
                f"{self.replaces}, the customer of the user so far, has nothing running. It stays "
                "at Stripe with its cards, without a user."
            )
        return said


def prepare(named: str, stripe_customer_id: str) -> Link:
    """Check whether a customer can be linked to a user; write nothing.

    Args:
        named: The user's id or username.
        stripe_customer_id: `cus_…`.

    Raises:
        LinkRefused: It cannot; the sentence says why.
        PaymentGatewayUnavailable: Stripe cannot be reached, or refuses our key.
    """
    user = _find_user(named)
    holder = Customer.objects.filter(stripe_customer_id=stripe_customer_id).first()
    if holder is not None and holder.user_id != user.pk:
        raise LinkRefused(f"{stripe_customer_id} is the customer of another user, {holder.user}.")
    at_stripe = _fetch(stripe_customer_id)
    if at_stripe.user_id not in ("", str(user.pk)):
        raise LinkRefused(f"{stripe_customer_id} was made for another user, {at_stripe.user_id}.")
    found = fetch_subscriptions_of(stripe_customer_id)
    _refuse_known_of_another(found, user=user)
    current = Customer.objects.filter(user=user, deleted_at=None).first()
    replaces = (current.stripe_customer_id if current else None) or ""
    if replaces not in ("", stripe_customer_id):
        _refuse_if_anything_runs(user, replaces)
    if SubscribeAttempt.objects.filter(user=user, state=SubscribeAttempt.State.OPEN).exists():
        raise _subscribing(user)
    running = [each for each in found if each.status not in ENDED]
    ours = ours_among(running)
    return Link(
        user=user,
        stripe_customer_id=stripe_customer_id,
        replaces="" if replaces == stripe_customer_id else replaces,
        is_linked=replaces == stripe_customer_id,
        subscriptions=ours,
        others=tuple(each for each in running if each not in ours),
    )


def link(named: str, stripe_customer_id: str, *, by: User | None = None) -> Link:
    """Link a customer to a user, and take over from Stripe what the customer has. Repeatable.

    Args:
        named: The user's id or username.
        stripe_customer_id: `cus_…`.
        by: The member of staff who asked for it; None for the command line.

    Raises:
        LinkRefused: It cannot be linked; nothing was written.
        PaymentGatewayUnavailable: Stripe cannot be reached; the same call may be repeated.
    """
    user = prepare(named, stripe_customer_id).user
    with transaction.atomic():
        customer = lock_customer(user.pk)
    try:
        with acting_for(customer) as row:
            done = prepare(str(user.pk), stripe_customer_id)
            _close_page(row)
            # In this order, so that a repeated call finishes what was begun.
            stripe_customers.write_user_id(stripe_customer_id, str(user.pk))
            if done.replaces:
                _let_go(done.replaces)
            if not done.is_linked:
                _write(row, done, by=by)
            refresh_customer(stripe_customer_id, cause="linked to a customer at Stripe")
    except AttemptInProgress:
        raise _subscribing(user) from None
    return done


def _find_user(named: str) -> User:
    user_id = as_uuid(named)
    found = User.objects.filter(**({"pk": user_id} if user_id else {"username": named})).first()
    # A row that auth-service has not filled may stand for anything.
    if found is None or found.version == 0:
        raise LinkRefused(f"auth-service knows no user {named}.")
    if found.deletion_requested_at is not None:
        raise LinkRefused(f"The user {named} is deleted.")
    return found


def _fetch(stripe_customer_id: str) -> StripeCustomer:
    try:
        return stripe_customers.fetch_customer(stripe_customer_id)
    except CustomerDeletedAtStripe:
        raise LinkRefused(f"{stripe_customer_id} was deleted at Stripe.") from None
    except CustomerNotVisible:
        raise LinkRefused(f"Stripe shows our key no customer {stripe_customer_id}.") from None


def _refuse_known_of_another(found: list[StripeSubscription], *, user: User) -> None:
    known = Subscription.objects.filter(stripe_subscription_id__in=[each.id for each in found])
    other = known.exclude(user=user).select_related("user").first()
    if other is not None:
        raise LinkRefused(f"{other} was the subscription of another user, {other.user}.")


def _refuse_if_anything_runs(user: User, stripe_customer_id: str) -> None:
    try:
        found = fetch_subscriptions_of(stripe_customer_id)
    except CustomerDeletedAtStripe:
        return
    except CustomerNotVisible:
        raise LinkRefused(
            f"Stripe does not show our key {stripe_customer_id}, the customer of {user} so far."
        ) from None
    running = next((each for each in found if each.status not in ENDED), None)
    if running is not None:
        raise LinkRefused(
            f"{user} has the customer {stripe_customer_id} with the subscription {running.id} "
            f"({running.status}). End it first."
        )


def _close_page(row: Customer) -> None:
    """See that the user does not subscribe on an open page as the customer of before."""
    if not row.checkout_session:
        return
    try:
        completed = close_checkout_session(row.checkout_session)
    except PaymentUnderWay:
        completed = True
    if completed:
        raise LinkRefused("The user has subscribed or is paying on a checkout page just now.")


def _let_go(stripe_customer_id: str) -> None:
    """Take our note away from the customer of before, which else would be taken for lost."""
    with contextlib.suppress(StripeObjectNotFound):
        stripe_customers.write_user_id(stripe_customer_id, "")


@transaction.atomic
def _write(row: Customer, done: Link, *, by: User | None) -> None:
    locked = lock_row(row)
    earlier = Customer.objects.filter(stripe_customer_id=done.stripe_customer_id).first()
    if earlier is not None:
        # Marked deleted, though Stripe has it.
        take_place_of(earlier, customer=locked)
    Customer.objects.filter(pk=locked.pk).update(
        stripe_customer_id=done.stripe_customer_id,
        sync_version=0,
        checkout_session="",
        last_applied_setup_intent="",
        name_at_stripe="",
        email_at_stripe="",
    )
    CustomerLink.objects.create(
        user=done.user,
        stripe_customer_id=done.stripe_customer_id,
        replaced_customer_id=done.replaces,
        linked_by=by,
    )


def _subscribing(user: User) -> LinkRefused:
    return LinkRefused(f"{user} is subscribing at this moment. Try again in a minute.")

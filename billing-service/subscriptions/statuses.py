"""Stripe's subscription statuses, grouped by what they mean to us."""

# A user with a subscription in one of these must not get a second one.
LIVE = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})
# Paid for, or not due yet.
IN_GOOD_STANDING = frozenset({"active", "trialing"})
# An invoice of it waits to be paid.
OVERDUE = frozenset({"past_due", "unpaid"})
# Stripe never moves a subscription out of these.
ENDED = frozenset({"canceled", "incomplete_expired"})

# Of a dispute: the bank has taken the money and has not decided. An inquiry (`warning_…`) is none.
OPEN_DISPUTE = frozenset({"needs_response", "under_review"})

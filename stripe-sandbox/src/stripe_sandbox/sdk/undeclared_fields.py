"""Fields that Stripe answers although the SDK's classes do not declare them.

All are of the past, kept for old clients, and may be null. Source: recorded answers.
"""

# By class: a scalar's name, or the class of an object; `id:` is a reference to one.
UNDECLARED: dict[tuple[str, str], dict[str, str]] = {
    ("stripe._charge", "Charge"): {
        "destination": "str",
        "dispute": "id:stripe._dispute.Dispute",
        "order": "str",
    },
    ("stripe._subscription", "Subscription"): {
        "plan": "stripe._plan.Plan",
        "quantity": "int",
    },
}

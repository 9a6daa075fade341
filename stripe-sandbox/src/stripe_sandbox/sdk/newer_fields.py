"""Fields that came after 2025-10-29.clover, with the API version that brought them.

An answer in an older version is the pinned version's object without them. Fields that the
sandbox always answers as null are not listed. Source: the resource classes of the SDKs for
each API version from then to the pinned one.
"""

from typing import Any

_SINCE: dict[str, dict[str, str]] = {
    "billing_portal.session": {"after_expiration": "2026-10-28"},
    "dispute": {"intended_submission_method": "2026-10-28"},
    "invoiceitem": {"quantity_decimal": "2026-03-25"},
    "item": {"adjustable_quantity": "2026-01-28", "metadata": "2025-12-15"},
    "line_item": {"quantity_decimal": "2026-03-25", "subtotal": "2025-12-15"},
    "refund": {"customer": "2026-07-29", "payment_method": "2026-07-29"},
    "subscription": {"billing_schedules": "2026-05-27", "status_details": "2026-09-30"},
    "subscription_item": {"billed_until": "2026-05-27", "current_trial": "2026-09-30"},
    "subscription_schedule": {"pause_schedules": "2026-09-30"},
}


def without(answer: Any, version: str) -> Any:
    """An answer without the fields that are newer than a version.

    Args:
        answer: Decoded JSON.
        version: The date of the API version.
    """
    if isinstance(answer, list):
        return [without(one, version) for one in answer]
    if not isinstance(answer, dict):
        return answer
    kind = answer.get("object")
    if kind == "event":
        # It was rendered when it happened, in the pinned version.
        return answer
    since = _SINCE.get(kind, {}) if isinstance(kind, str) else {}
    return {
        name: without(value, version)
        for name, value in answer.items()
        if since.get(name, "") <= version
    }

"""Decides which API versions are served, and what of an answer each of them has.

Objects changed their shape in 2025-03-31.basil; since then a version mostly adds.
Every version from there on is answered in the pinned version's shape, without the
fields that are newer than it.
"""

import re

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.sdk.source import api_version

_OLDEST = "2025-03-31"
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(\.\w+)?(;.*)?")


def version_of(header: str | None) -> str:
    """The date of the API version that a request is answered in.

    A request that names none may be of any version, so it is answered with what all
    versions have. At Stripe it would be the account's own version, usually an old one.

    Args:
        header: `Stripe-Version`.

    Raises:
        InvalidRequest: It is no version, or one before 2025-03-31.basil.
    """
    if header is None:
        return _OLDEST
    parts = _VERSION.fullmatch(header.strip())
    if parts is None:
        raise InvalidRequest(f"Invalid Stripe API version: {header}")
    if parts[1] < _OLDEST:
        raise InvalidRequest(
            f"The sandbox serves API versions from 2025-03-31.basil on; the request asks for "
            f"{header}. Upgrade the SDK, or send another Stripe-Version."
        )
    return parts[1]


def is_older(version: str) -> bool:
    """Whether a version is older than the pinned one, so that it may use its older forms."""
    return version < api_version().partition(".")[0]

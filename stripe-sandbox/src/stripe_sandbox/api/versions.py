"""Decides which API versions are served.

Objects changed their shape in 2025-03-31.basil; since then a version mostly
adds. Every version from there on is answered in the pinned version's shape.
"""

import re

from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.sdk.source import api_version

_OLDEST = "2025-03-31"
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(\.\w+)?(;.*)?")


def may_use_older_forms(version: str | None) -> bool:
    """Whether a request may use parameters in the form of an older version.

    A request without a version may: Stripe would serve it in the account's own.

    Args:
        version: The `Stripe-Version` header.

    Raises:
        InvalidRequest: It is no version, or one before 2025-03-31.basil.
    """
    if version is None:
        return True
    parts = _VERSION.fullmatch(version.strip())
    if parts is None:
        raise InvalidRequest(f"Invalid Stripe API version: {version}")
    if parts[1] < _OLDEST:
        raise InvalidRequest(
            f"The sandbox serves API versions from 2025-03-31.basil on; the request asks for "
            f"{version}. Upgrade the SDK, or send another Stripe-Version."
        )
    return parts[1] < api_version().partition(".")[0]

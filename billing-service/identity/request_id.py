"""The id that ties one request's log lines together, here and in auth-service."""

import uuid
from contextvars import ContextVar

HEADER = "X-Request-Id"
CURRENT: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """Return the id of the request being answered, or a new one outside of any."""
    return CURRENT.get() or uuid.uuid4().hex


def logged_request_id() -> str:
    """Return the id of the request being answered, or an empty text outside of any."""
    return CURRENT.get()

"""The id that ties one request's log lines together, here and in auth-service."""

import re
import uuid
from contextvars import ContextVar

HEADER = "X-Request-Id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_current: ContextVar[str] = ContextVar("request_id", default="")


def begin_request(given: str | None) -> str:
    """Take over the gateway's id, or make one when it is missing or no plain word."""
    request_id = given if given and _ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
    _current.set(request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the request being answered, or a new one outside of any."""
    return _current.get() or uuid.uuid4().hex


def logged_request_id() -> str:
    """Return the id of the request being answered, or an empty text outside of any."""
    return _current.get()

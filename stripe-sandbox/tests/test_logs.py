"""Logs are JSON lines that the log search of the other services reads as well."""

import json
import logging
import sys

from stripe_sandbox.logs import Formatter
from stripe_sandbox.request_id import request_id


def test_a_line_has_the_shared_members() -> None:
    """Time in UTC with milliseconds, level, logger, message, request id, exception, extras."""
    request_id.set("req_1")
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord(
            "stripe_sandbox.app", logging.ERROR, "app.py", 1, "Clock %s", ("c1",), sys.exc_info()
        )
    record.created, record.event = 1767225600.25, "evt_1"

    line = json.loads(Formatter.shared().format(record))

    assert line.pop("exception").endswith("ValueError: broken")
    assert line == {
        "time": "2026-01-01T00:00:00.250+00:00",
        "level": "ERROR",
        "logger": "stripe_sandbox.app",
        "message": "Clock c1",
        "request_id": "req_1",
        "event": "evt_1",
    }

"""One JSON object a line on standard error, without the caller's input.

Members: `time` (ISO 8601, UTC, milliseconds), `level`, `logger`, `message`, `request_id` within a
request, `exception` with a traceback, then whatever the `extra` of the call names.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger import core, json

from identity.request_id import logged_request_id

# Objects that Django and Procrastinate attach to their records; none of them is JSON.
_LEFT_OUT = ("request", "status_code", "job")


class JsonFormatter(json.JsonFormatter):
    """python-json-logger's formatter with this project's member names."""

    def __init__(self) -> None:
        super().__init__(
            ("asctime", "levelname", "name", "message"),
            rename_fields={
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
            },
            reserved_attrs=[*core.RESERVED_ATTRS, *_LEFT_OUT],
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """Return when the record was made."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Add the id of the request that is being answered."""
        if request_id := logged_request_id():
            log_data["request_id"] = request_id
        return log_data


def logging_settings(*, level: str) -> dict[str, Any]:
    """Return the dictionary for `logging.config.dictConfig`.

    Args:
        level: Of the root logger: DEBUG, INFO, WARNING or ERROR.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.logs.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # A refusal is a response, not an event; the gateway's access log has its status.
            "django.request": {"level": "ERROR"},
            "stripe": {"level": "WARNING"},
            # Each process would list every task at every start.
            "procrastinate.blueprints": {"level": "WARNING"},
            "procrastinate.periodic": {"level": "WARNING"},
        },
    }

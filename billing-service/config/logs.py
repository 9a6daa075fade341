"""One JSON object a line on standard error, without anything a caller typed."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from identity.request_id import logged_request_id


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON; `extra` fields become members."""

    _standard = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        """Render the record."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := logged_request_id():
            line["request_id"] = request_id
        line |= {
            name: value
            for name, value in record.__dict__.items()
            if name not in self._standard and name not in ("request", "status_code", "job")
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def logging_settings(*, level: str) -> dict[str, Any]:
    """Return the dictionary for `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.logs.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # A refusal is an answer, not an event; the gateway's access log has its status.
            "django.request": {"level": "ERROR"},
            "stripe": {"level": "WARNING"},
            # Each process would list every task at every start.
            "procrastinate.blueprints": {"level": "WARNING"},
            "procrastinate.periodic": {"level": "WARNING"},
        },
    }

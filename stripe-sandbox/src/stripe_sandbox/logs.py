"""Logs as JSON lines, in the schema that all services of this project share."""

import logging
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from stripe_sandbox.request_id import request_id


class Formatter(JsonFormatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, `request_id`, `exception`."""

    @classmethod
    def shared(cls) -> "Formatter":
        """The formatter with the shared names."""
        return cls("%(message)s", rename_fields={"exc_info": "exception"})

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Put the shared members first, then whatever `extra` a call gave."""
        moment = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = moment.isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["message"] = record.getMessage()
        if (current := request_id.get()) is not None:
            log_data["request_id"] = current
        super().add_fields(log_data, record, message_dict)


def configure(level: str) -> None:
    """Log to standard error from here on.

    Args:
        level: A name of the `logging` module, such as `INFO`.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter.shared())
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)

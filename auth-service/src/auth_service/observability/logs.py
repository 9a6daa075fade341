"""The log: JSON lines on standard error."""

import logging
import time
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as LibraryFormatter

from auth_service.observability.request_id import request_id


class JsonFormatter(LibraryFormatter):
    """One JSON object a line.

    Members: `time` (ISO 8601, UTC, milliseconds), `level`, `logger`, `message`, `request_id`
    while a request is served, `exception` (a traceback), and what the call passed as `extra`.
    """

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(
            ["asctime", "levelname", "name", "message"],
            rename_fields={
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "exc_info": "exception",
            },
            # uvicorn repeats its messages with colours for a terminal.
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        current = request_id.get()
        if current is not None:
            log_data["request_id"] = current


def log_config(level: str) -> dict[str, Any]:
    """Return the configuration for uvicorn and `logging.config.dictConfig`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
    }

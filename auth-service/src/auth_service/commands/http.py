"""A small HTTP client for commands: one kept-alive connection for each thread and address."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Self
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response whose body was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """Read the body as a JSON object; anything else counts as an empty one."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


class Client:
    """Sends requests to one base address.

    Args:
        base_url: `http://` or `https://`, host and port; a path is a prefix.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._secure = parts.scheme == "https"
        self._netloc = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._threads = threading.local()
        self._connections: list[HTTPConnection] = []

    def __enter__(self) -> Self:
        """Hand out the client; the connections are closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections of all threads."""
        for connection in self._connections:
            connection.close()

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a GET.

        Raises:
            OSError, HTTPException: Nobody answered, or not in HTTP.
        """
        return self._send("GET", path, None, headers or {})

    def post(self, path: str, body: Mapping[str, object]) -> Answer:
        """Send a POST with a JSON body.

        Raises:
            OSError, HTTPException: Nobody answered, or not in HTTP.
        """
        encoded = json.dumps(body).encode("utf-8")
        return self._send("POST", path, encoded, {"Content-Type": "application/json"})

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            response = self._try(method, path, body, headers)
        except (ConnectionError, HTTPException):
            # The server closed an idle connection just as we used it; a fresh one tells.
            response = self._try(method, path, body, headers)
        return response

    def _try(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, self._prefix + path, body=body, headers=dict(headers))
            response: HTTPResponse = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, HTTPException):
            connection.close()
            raise

    def _connection(self) -> HTTPConnection:
        connection: HTTPConnection | None = getattr(self._threads, "connection", None)
        if connection is None:
            kind = HTTPSConnection if self._secure else HTTPConnection
            connection = kind(self._netloc, timeout=_TIMEOUT_SECONDS)
            self._threads.connection = connection
            self._connections.append(connection)
        return connection

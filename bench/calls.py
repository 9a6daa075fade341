"""Single HTTP calls that prepare a run; nothing here is measured."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from bench.processes import BenchError


class KeptConnection:
    """A keep-alive connection to a server of this machine; answers are parsed as JSON."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """Make a GET.

        Raises:
            BenchError: The answer is no success.
        """
        return self.request("GET", path, None, headers or {})

    def post(
        self, path: str, document: Mapping[str, object], *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """POST a JSON document.

        Raises:
            BenchError: The answer is no success.
        """
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", path, json.dumps(document), sent)

    def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Any:
        """Make any request.

        Raises:
            BenchError: The answer is no success.
        """
        self._connection.request(method, path, body, dict(headers))
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise BenchError(f"{method} {path} answered {answer.status}: {content[:500]!r}")
        return json.loads(content) if content else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

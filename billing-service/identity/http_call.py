"""One HTTP exchange with auth-service: no redirects, no proxies, bounded in time and size."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from urllib.parse import urlsplit


class Unreachable(Exception):
    """No usable answer came: refused, reset, too slow, too long or not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes


def send(
    method: str,
    url: str,
    *,
    timeout_seconds: float,
    maximum_bytes: int,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """Send one request on a connection of its own and read the whole answer.

    Args:
        method: GET, POST, …
        url: An http or https address; a redirect is returned, never followed.
        timeout_seconds: For connecting and for each read.
        maximum_bytes: The longest body accepted.
        headers: Request headers.
        body: Request body, with its Content-Type among the headers.

    Raises:
        Unreachable: No complete answer within the limits.
    """
    parts = urlsplit(url)
    factory = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = factory(parts.hostname or "", parts.port, timeout=timeout_seconds)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read(maximum_bytes + 1)
        if len(content) > maximum_bytes:
            raise Unreachable(f"answer longer than {maximum_bytes} bytes")
        return Answer(answer.status, answer.headers, content)
    except (OSError, HTTPException) as error:
        raise Unreachable(f"{type(error).__name__} while calling auth-service") from error
    finally:
        connection.close()

"""A service that says what it received, and a handle on the gateway in front of it."""

import json
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

# Every address is plain HTTP; loading certificates would take longer than a request.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Echo(BaseHTTPRequestHandler):
    """Stands where the services stand and answers with the request.

    `?status=` chooses the status of the answer, `?seconds=` how long it takes.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer any method."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        answer = {
            "service": self.server.name,  # type: ignore[attr-defined] # set by `echo` below
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "length": len(body),
        }
        asked = parse_qs(urlsplit(self.path).query)
        time.sleep(float(asked.get("seconds", ["0"])[0]))
        content = json.dumps(answer).encode()
        self.send_response(int(asked.get("status", ["200"])[0]))
        # As both services do on every answer.
        self.send_header("X-Request-Id", "of-the-service")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        # A stopped server must not live on in connections that were kept.
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_OPTIONS = do_GET  # noqa: N815 # the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Requests are looked at through their answers."""


class _Server(ThreadingHTTPServer):
    # As many at once as the gateway lets through.
    request_queue_size = 256
    daemon_threads = True


def echo(name: str, *, port: int = 0) -> ThreadingHTTPServer:
    """Start a service that answers with its name and the request."""
    server = _Server(("127.0.0.1", port), Echo)
    server.name = name  # type: ignore[attr-defined] # read by the handler above
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass
class Gateway:
    """A running Traefik."""

    url: str
    ops_url: str
    log: Path
    process: subprocess.Popen[bytes]

    def records(self) -> list[dict[str, Any]]:
        """What it has logged so far, requests included."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line]

    def get(self, path: str, **request: Any) -> httpx.Response:
        """GET a path exactly as it is spelled, dots and encodings included."""
        return self.request("GET", path, **request)

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request for a path exactly as it is spelled."""
        extensions = {"target": path.encode()}
        with httpx.Client(trust_env=False, timeout=40, verify=_NO_CERTIFICATES) as client:
            return client.request(method, self.url, extensions=extensions, **request)

"""Single HTTP calls that prepare a run."""

import httpx

from bench.processes import BenchError


def client(port: int) -> httpx.Client:
    """A client of one server of this machine; it raises BenchError for an answer of no success."""
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        timeout=60,
        trust_env=False,
        event_hooks={"response": [_require_success]},
    )


def _require_success(answer: httpx.Response) -> None:
    if not answer.is_success:
        content = answer.read()[:500]
        request = answer.request
        raise BenchError(
            f"{request.method} {request.url.path} answered {answer.status_code}: {content!r}"
        )

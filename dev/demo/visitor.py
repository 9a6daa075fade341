"""A user of the product over HTTP, who keeps cookies and fills in forms."""

import time
from dataclasses import dataclass
from typing import Any, Self

import httpx

from dev.demo import forms
from dev.errors import DemoFailed


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, as they are shown."""

    method: str
    path: str
    sent: dict[str, Any]
    status: int
    reason: str
    answer: Any
    milliseconds: float

    @property
    def json(self) -> dict[str, Any]:
        """The answer's JSON object; empty if it has none."""
        return self.answer if isinstance(self.answer, dict) else {}


class Visitor:
    """One person with one cookie jar and, once obtained, one access token."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        # A proxy of the environment would be asked for addresses of this machine.
        self._client = httpx.Client(base_url=self.base_url, timeout=40, trust_env=False)
        self.access_token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> Exchange:
        """GET an API path."""
        return self._exchange("GET", path, headers=self._headers())

    def post(self, path: str, body: dict[str, Any]) -> Exchange:
        """POST JSON to an API path."""
        return self._exchange("POST", path, json=body, headers=self._headers(), sent=body)

    def page(self, address: str) -> forms.Page:
        """Open a page, following redirects.

        Args:
            address: Its path or address.

        Raises:
            DemoFailed: It did not answer 200.
        """
        answer = self._send("GET", address, follow_redirects=True)
        if answer.status_code != httpx.codes.OK:
            raise DemoFailed(f"GET {answer.url} answered {answer.status_code} instead of 200.")
        return forms.read(answer.text, address=str(answer.url))

    def submit(self, form: forms.Form, values: dict[str, str], *, button: str = "") -> Exchange:
        """Fill in a form and send it; a redirect is not followed.

        Args:
            form: The form of a page.
            values: Typed values by field name.
            button: The text of the button.
        """
        # On https, Django takes a form without a Referer for a forged one.
        headers = {"Referer": form.action}
        data = form.filled(values, button=button)
        return self._exchange("POST", form.action, data=data, headers=headers, sent=values)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"JWT {self.access_token}"} if self.access_token else {}

    def _exchange(
        self, method: str, path: str, *, sent: dict[str, Any] | None = None, **request: Any
    ) -> Exchange:
        began = time.perf_counter()
        answer = self._send(method, path, **request)
        return Exchange(
            method=method,
            path=str(answer.url).removeprefix(self.base_url),
            sent=sent or {},
            status=answer.status_code,
            reason=answer.reason_phrase,
            answer=_readable(answer),
            milliseconds=(time.perf_counter() - began) * 1000,
        )

    def _send(self, method: str, address: str, **request: Any) -> httpx.Response:
        try:
            return self._client.request(method, address, **request)
        except httpx.TransportError as error:
            where = self._client.base_url.join(address)
            raise DemoFailed(f"{method} {where} failed: {error}.") from error


def _readable(answer: httpx.Response) -> Any:
    if "json" in answer.headers.get("Content-Type", ""):
        return answer.json()
    if answer.is_redirect:
        return f"→ {answer.headers['Location']}"
    messages = forms.read(answer.text, address=str(answer.url)).messages
    return " ".join(messages)

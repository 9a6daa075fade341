"""Lets the CLI's fixtures run although they are written for an older API version.

`stripe trigger` sends no `Stripe-Version` and some parameters that the pinned
version has dropped. Everybody else is refused such parameters.
"""

from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_AGENT = b"Stripe/v1 stripe-cli/"

Pairs = list[tuple[str, str]]

_WITHOUT_TYPES = ("/v1/payment_intents", "/v1/setup_intents", "/v1/checkout/sessions")


class OlderParameters:
    """ASGI middleware that rewrites the CLI's form bodies and passes on all else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite a form that the CLI posts to one of the changed endpoints."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _is_cli(scope):
            await self._app(scope, receive, send)
            return
        sent = parse_qsl((await _body(receive)).decode(), keep_blank_values=True)
        body = urlencode(_translated(scope["path"], sent)).encode()
        await self._app(scope, _replay(body, receive), send)


def _is_cli(scope: Scope) -> bool:
    return any(
        name == b"user-agent" and value.startswith(_AGENT) for name, value in scope["headers"]
    )


def _translated(path: str, sent: Pairs) -> Pairs:
    if path in _WITHOUT_TYPES:
        return [(n, v) for n, v in sent if (n, v) != ("payment_method_types[]", "card")]
    if path == "/v1/promotion_codes":
        return [pair for name, value in sent for pair in _promotion(name, value)]
    return sent


def _promotion(name: str, value: str) -> Pairs:
    if name != "coupon":
        return [(name, value)]
    return [("promotion[type]", "coupon"), ("promotion[coupon]", value)]


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The rewritten body once, then whatever the server has to say."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed

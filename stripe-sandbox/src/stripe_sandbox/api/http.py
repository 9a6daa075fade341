"""Answers API requests: key, parameters, handler, rendering, idempotency, headers."""

import base64
import binascii
import logging
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from stripe_sandbox.api import idempotency
from stripe_sandbox.api.idempotency import Key, Result
from stripe_sandbox.api.permissions import check_permission
from stripe_sandbox.api.registry import Call
from stripe_sandbox.api.rendering import respond
from stripe_sandbox.api.routing import Route, Routes
from stripe_sandbox.api.versions import is_older, version_of
from stripe_sandbox.errors import (
    REFUSAL,
    NotCovered,
    StripeError,
    Unauthenticated,
)
from stripe_sandbox.objects.common import Json
from stripe_sandbox.request_id import request_id
from stripe_sandbox.sdk import form_encoding, newer_fields, request_contract, response_shapes
from stripe_sandbox.sdk.older_parameters import in_pinned_form
from stripe_sandbox.sdk.source import api_version
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.ids import new_request_id
from stripe_sandbox.storage.kinds import PRICE
from stripe_sandbox.storage.store import Store

log = logging.getLogger(__name__)

_NO_KEY = (
    "You did not provide an API key. You need to provide your API key in the Authorization "
    "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
)


@dataclass(frozen=True)
class Asked:
    """What of an HTTP request matters to the API."""

    key: str
    verb: str
    path: str
    query: str
    body: bytes
    idempotency_key: str | None
    version: str | None
    # What a fault in force answers in place of the result.
    refusal: StripeError | None = None

    @property
    def form(self) -> str:
        """The parameters, which any request may carry in its query, its body, or both."""
        return "&".join(filter(None, (self.query, self.body.decode("utf-8", "replace"))))


class Api:
    """The API over one store."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.routes = Routes()

    async def __call__(self, request: Request) -> Response:
        """Answer one request; work is done between two awaits, so it is never interleaved."""
        identifier = new_request_id()
        request_id.set(identifier)
        try:
            key = check_key(request.headers.get("authorization"), live=self.store.live)
            asked = await _asked(request, key, account=self.store.account_id)
            result, replayed = self.answer(asked, identifier)
        except StripeError as refusal:
            result = _refused(refusal, identifier, live=self.store.live)
            replayed = False
        return _response(result, identifier, replayed=replayed)

    def answer(self, asked: Asked, identifier: str) -> tuple[Result, bool]:
        """The result of a request, and whether an idempotency key replayed it.

        Args:
            identifier: The id of the request, `req_…`.

        Raises:
            StripeError: A refusal that is not stored under the idempotency key.
        """
        version = version_of(asked.version)
        route, ids = self.routes.find(asked.verb, asked.path)
        permissions, account = self.settings.permissions, self.store.account_id
        if permissions is not None:
            check_permission(asked.key, route.endpoint, permissions, account=account)
        key = None
        if asked.idempotency_key and asked.verb == "POST":
            key = idempotency.key_of(asked.idempotency_key, asked.path, asked.form.encode())
            before = idempotency.stored(self.store, key)
            if before:
                return before, True
        sent = form_encoding.decode(asked.form)
        if is_older(version):
            sent = in_pinned_form(route.endpoint, sent, self._recurring)
        params = request_contract.check(route.endpoint, sent)
        with self.store.work() as work:
            work.request = {"id": identifier, "idempotency_key": asked.idempotency_key}
            call = Call(work, params, ids, asked.path, self.settings, version=version)
            result = self._execute(call, route, key=key, refusal=asked.refusal)
            # Stored with the work: a kill between the two would let a retry charge again.
            if key:
                idempotency.keep(work, key, result)
        return result, False

    def _recurring(self, price: str) -> tuple[str, int] | None:
        with self.store.work() as work:
            found = work.find(PRICE, price)
            recurring = found["recurring"] if found else None
            return (recurring["interval"], recurring["interval_count"]) if recurring else None

    def _execute(
        self, call: Call, route: Route, *, key: Key | None, refusal: StripeError | None
    ) -> Result:
        """Run the handler.

        Args:
            route: Its handler.
            key: Its idempotency key, under which some refusals are stored as well.
            refusal: The refusal that a fault in force asks for.
        """
        identifier = call.work.request["id"]
        try:
            if refusal and not refusal.keeps_work:
                raise refusal
            result = Result(200, self._run(call, route), identifier)
            if refusal:
                raise refusal
        except StripeError as problem:
            if key is None or not problem.saved:
                raise
            if not problem.keeps_work:
                call.work.rollback()
            return _refused(problem, identifier, live=self.store.live)
        return result

    def _run(self, call: Call, route: Route) -> str:
        outcome = route.handler(call)
        ignored = call.params.unseen()
        if ignored:
            raise NotCovered(
                f"the parameter `{ignored[0]}` of {route.endpoint.name}", param=ignored[0]
            )
        expand = call.params.get("expand") or []
        body = respond(call.work, route.endpoint.result, outcome, expand) | call.extra
        if self.settings.strict:
            _check_response(route, body)
        if is_older(call.version):
            body = newer_fields.without(body, call.version)
        return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()


def _check_response(route: Route, body: Json) -> None:
    found = response_shapes.problems(route.endpoint.result, body, route.endpoint.name)
    if found:
        raise response_shapes.ShapeError("; ".join(found[:10]))


def check_key(authorization: str | None, *, live: bool) -> str:
    """The API key of a request.

    Args:
        authorization: The header.
        live: The mode of the account, whose keys begin with `sk_live_` or `sk_test_`.

    Raises:
        Unauthenticated: It is missing, malformed, or one of the other mode.
    """
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        value = _user_of(value)
    if not value:
        raise Unauthenticated(_NO_KEY)
    mode = "live" if live else "test"
    if not value.startswith((f"sk_{mode}_", f"rk_{mode}_")):
        shown = value[:8] if len(value) > 12 else ""
        hidden = "*" * len(value[len(shown) : -4])
        raise Unauthenticated(f"Invalid API Key provided: {shown}{hidden}{value[-4:]}")
    return value


def _user_of(credentials: str) -> str:
    """The user name of HTTP Basic credentials, which is where curl puts the key."""
    try:
        return base64.b64decode(credentials).decode("utf-8", "replace").split(":")[0]
    except binascii.Error:
        return ""


async def _asked(request: Request, key: str, *, account: str) -> Asked:
    for header in ("Stripe-Account", "Stripe-Context"):
        # Libraries such as dj-stripe name the key's own account, which changes nothing.
        if request.headers.get(header, account) != account:
            raise NotCovered(f"the header `{header}`: there are no connected accounts")
    return Asked(
        key=key,
        verb=request.method,
        path=request.scope["path"],
        query=request.url.query,
        body=await request.body(),
        idempotency_key=request.headers.get("idempotency-key"),
        version=request.headers.get("stripe-version"),
        refusal=request.scope.get(REFUSAL),
    )


def _refused(refusal: StripeError, request_id: str, *, live: bool) -> Result:
    body, logs = refusal.body(), "logs" if live else "test/logs"
    body["error"]["request_log_url"] = f"https://dashboard.stripe.com/{logs}/{request_id}"
    return Result(
        refusal.status, orjson.dumps(body, option=orjson.OPT_INDENT_2).decode(), request_id
    )


def _response(result: Result, request_id: str, *, replayed: bool) -> Response:
    headers = {"Request-Id": request_id, "Stripe-Version": api_version()}
    if replayed:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": result.request_id}
    if result.status == 409:
        headers["Stripe-Should-Retry"] = "true"
    if result.status == 501:
        headers["Stripe-Should-Retry"] = "false"
    return Response(result.body, result.status, headers, media_type="application/json")

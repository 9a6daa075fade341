"""Assembles the sandbox: store, API, pages, deliveries, clocks."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stripe_sandbox import resources, seeds
from stripe_sandbox.api import idempotency
from stripe_sandbox.api.http import Api
from stripe_sandbox.clock import Clock
from stripe_sandbox.error_handlers import answer_defect, answer_refusal
from stripe_sandbox.errors import StripeError
from stripe_sandbox.faults.middleware import FaultInjection, delivery_delays
from stripe_sandbox.faults.routes import routes as fault_routes
from stripe_sandbox.faults.rules import Faults
from stripe_sandbox.pages.routes import routes as page_routes
from stripe_sandbox.pages.site import Site
from stripe_sandbox.rules import due_actions
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.store import Store
from stripe_sandbox.stripe_cli.routes import routes as cli_routes
from stripe_sandbox.stripe_cli.sessions import Sessions
from stripe_sandbox.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

_VERBS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_app(settings: Settings) -> ASGIApp:
    """The ASGI application over a store that is opened here."""
    resources.load()
    store = Store(
        settings.data or ":memory:",
        clock=Clock(fixed=settings.fixed_time),
        deterministic=settings.deterministic,
        live=settings.live,
        after_last_retry=settings.after_last_retry,
        public_url=settings.public_url,
        account_name=settings.account_name,
    )
    if settings.seed_file:
        with store.work() as work:
            seeds.apply(work, seeds.read(settings.seed_file, os.environ))
    delivery = Delivery(store, retry_speed=settings.retry_speed)
    in_force, sessions = Faults(), Sessions()
    store.delivery_delays = partial(delivery_delays, in_force)
    store.on_commit.append(sessions.push)
    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            *cli_routes(store, sessions, listen_secret=settings.listen_secret),
            *fault_routes(in_force),
            *page_routes(Site(store, settings, in_force, sessions)),
            Route("/{path:path}", _endpoint(store, Api(store, settings)), methods=_VERBS),
        ],
        lifespan=_lifespan(store, delivery),
        exception_handlers={StripeError: answer_refusal, Exception: answer_defect},
    )
    # Faults break connections, and a key is in use for as long as they hold an answer back.
    return idempotency.OneAtATime(FaultInjection(app, faults=in_force))


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _endpoint(store: Store, api: Api) -> Callable[[Request], Awaitable[Response]]:
    """Answers a request once what earlier answers left to be done is done."""

    async def answer(request: Request) -> Response:
        while _step(store, only=due_actions.FOLLOW_UPS):
            pass
        return await api(request)

    return answer


def _lifespan(
    store: Store, delivery: Delivery
) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        idempotency.prune(store)
        tasks = [
            asyncio.create_task(delivery.run(), name="deliveries"),
            asyncio.create_task(_repeat(store, _do_due, _FOLLOWED), name="due actions"),
            asyncio.create_task(_repeat(store, _advance_clocks, _ADVANCED), name="test clocks"),
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        store.close()

    return lifespan


# After these something is due at once.
_FOLLOWED = {"charge.succeeded", "refund.created"}
_ADVANCED = {"test_helpers.test_clock.advancing"}


async def _repeat(store: Store, work: Callable[[Store], Awaitable[None]], after: set[str]) -> None:
    """Do work again and again: once a second, and after events of some types."""
    wanted = asyncio.Event()

    def notice(events: list[dict[str, object]]) -> None:
        if any(event["type"] in after for event in events):
            wanted.set()

    store.on_commit.append(notice)
    while True:
        wanted.clear()
        await work(store)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wanted.wait(), 1.0)


async def _do_due(store: Store) -> None:
    """Do what is due on the sandbox's clock; requests are answered between the steps."""
    while _step(store):
        await asyncio.sleep(0)


def _step(store: Store, *, only: tuple[str, ...] | None = None) -> bool:
    """Do the next action that is due on the sandbox's clock, and say whether there was one."""
    now = store.clock.now()
    try:
        return due_actions.next_step(store, clock="", until=now, only=only)
    except Exception:
        # A defect of the sandbox; the other due actions must not wait for it.
        log.exception("A due action failed and is dropped.")
        due_actions.drop_step(store, clock="", until=now, only=only)
        return True


async def _advance_clocks(store: Store) -> None:
    for clock, target in due_actions.advancing(store):
        await _advance(store, clock, target)


async def _advance(store: Store, clock: str, target: int) -> None:
    """Advance a test clock to its target; requests are answered between the steps."""
    try:
        while due_actions.next_step(store, clock=clock, until=target):
            await asyncio.sleep(0)
        due_actions.arrive(store, clock)
    except Exception:
        # A defect of the sandbox; the clock's status shows it, other clocks continue.
        log.exception("Test clock %s could not advance.", clock)
        due_actions.fail(store, clock)

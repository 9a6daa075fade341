"""Puts the application together from its settings."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from auth_service import __version__
from auth_service.audit import Retention
from auth_service.clock import Clock, utc_now
from auth_service.database import AUTOCOMMIT_POOL_SIZE, open_autocommit_engine, open_engine
from auth_service.housekeeping import Housekeeping
from auth_service.keys import open_key_ring, read_passphrase
from auth_service.mail.rendering import Composer
from auth_service.mail_worker import Links
from auth_service.migrations import older_revisions
from auth_service.observability.metrics import sample_forever
from auth_service.passwords.hashing import HashingSlot
from auth_service.passwords.login_throttle import Limits, LoginThrottle
from auth_service.routes import (
    account,
    account_pages,
    accounts,
    audit_log,
    docs_page,
    error_handlers,
    health,
    internal,
    invitations,
    jwks,
    mail_page,
    metadata,
    metrics,
    openapi,
    second_factor,
    sessions,
    token,
    users,
    users_second_factor,
)
from auth_service.routes.dependencies import AppState
from auth_service.routes.middleware import MeasureRequests, PrepareRequests
from auth_service.routes.refresh_cookie import RefreshCookie
from auth_service.second_factor.challenges import SecondFactor
from auth_service.second_factor.protection import Protection
from auth_service.settings import Settings, load_settings, origin_of
from auth_service.tokens.jwt import Issuer
from auth_service.tokens.one_time import OneTimeTokens
from auth_service.tokens.refresh_families import RefreshFamilies
from auth_service.users.login import LogIn
from auth_service.users.refused_log_ins import RefusedLogIns

_DESCRIPTION = """\
Log in with `POST /api/token/obtain` and stay logged in with `POST /api/token/refresh`.
To try an endpoint that needs a token, click **Authorize** and enter `JWT ` and the access token.
The gateway can answer any call with 413, 429, 503 or 504, in the same shape as the errors below.
"""


def application() -> FastAPI:
    """Build the application from the environment, in each of the server's workers."""
    return create_app(load_settings())


def create_app(settings: Settings, *, clock: Clock = utc_now) -> FastAPI:
    """Build the application.

    Raises:
        KeysError: The signing keys cannot be read.
    """
    app = FastAPI(
        title=f"{settings.app_name}: tokens",
        description=_DESCRIPTION,
        version=__version__,
        openapi_url=openapi.OPENAPI_URL,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False},
        lifespan=_lifespan,
    )
    app.state.auth = _app_state(settings, clock=clock)
    # The last one is the outermost.
    app.add_middleware(MeasureRequests)
    app.add_middleware(PrepareRequests)
    error_handlers.install(app)
    for module in (
        token,
        second_factor,
        jwks,
        account,
        accounts,
        sessions,
        internal,
        invitations,
        audit_log,
        users,
        users_second_factor,
        metadata,
        health,
        metrics,
    ):
        app.include_router(module.router)
    openapi.install(app)
    docs_page.install(app, heading=settings.app_name)
    account_pages.install(app)
    if settings.is_local and settings.smtp is None:
        _show_mails(app, settings)
    return app


def _show_mails(app: FastAPI, settings: Settings) -> None:
    state: AppState = app.state.auth
    links = Links(tokens=state.one_time, pages_url=settings.account_pages_url)
    composer = Composer(sender=settings.mail_from, app_name=settings.app_name)
    mail_page.install(app, composer=composer, links=links)


def _app_state(settings: Settings, *, clock: Clock) -> AppState:
    engine = open_engine(settings.database_url)
    autocommit = open_autocommit_engine(settings.database_url)
    keys = open_key_ring(
        settings.keys_dir, passphrase=read_passphrase(settings.keys_passphrase_file), now=clock()
    )
    slot, refused = HashingSlot(), RefusedLogIns(engine, clock=clock)
    throttle = LoginThrottle(
        secret=settings.derive_secret("login throttle"),
        limits=Limits(
            pair_failures=settings.throttle_pair_failures,
            account_failures=settings.throttle_account_failures,
            network_failures=settings.throttle_source_failures,
        ),
    )
    return AppState(
        engine=engine,
        autocommit=autocommit,
        keys=keys,
        issuer=Issuer(
            keys=keys,
            issuer=settings.issuer,
            app_name=settings.app_name,
            audiences=settings.token_audiences,
            default_audiences=settings.token_default_audiences,
            access_lifetime_seconds=settings.access_token_lifetime_seconds,
            refresh_lifetime_seconds=settings.refresh_token_lifetime_seconds,
        ),
        families=RefreshFamilies(
            engine=engine,
            autocommit=autocommit,
            token_lifetime_seconds=settings.refresh_token_lifetime_seconds,
            family_lifetime_seconds=settings.refresh_family_lifetime_seconds,
            replay_grace_seconds=settings.refresh_replay_grace_seconds,
            max_sessions_per_user=settings.max_sessions_per_user,
            default_audience=settings.token_default_audiences,
        ),
        login=LogIn(
            engine=engine,
            autocommit=autocommit,
            slot=slot,
            throttle=throttle,
            clock=clock,
            refused=refused,
        ),
        second_factor=SecondFactor(
            engine=engine,
            autocommit=autocommit,
            throttle=throttle,
            protection=Protection(settings.second_factor_keys),
            clock=clock,
            issuer=settings.app_name,
        ),
        refresh_cookie=RefreshCookie(
            is_secure=settings.public_url.startswith("https://") or not settings.is_local,
            allowed_origins=frozenset({origin_of(settings.public_url), *settings.allowed_origins}),
        ),
        slot=slot,
        throttle=throttle,
        clock=clock,
        client_secret=settings.internal_client_secret,
        breach_lookup_url=settings.password_breach_lookup_url,
        digest_secret=settings.derive_secret("idempotent requests"),
        audit_retention=Retention(
            frequent=timedelta(days=settings.audit_login_retention_days),
            others=timedelta(days=settings.audit_retention_days),
        ),
        public_url=settings.public_url,
        one_time=OneTimeTokens(secret=settings.derive_secret("one-time tokens")),
        sign_up=settings.sign_up,
        has_mail=settings.has_mail,
        older_schema_revisions=older_revisions(),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: AppState = app.state.auth
    # More threads than connections would only wait for one, and compete for the interpreter.
    current_default_thread_limiter().total_tokens = AUTOCOMMIT_POOL_SIZE
    sampling = asyncio.create_task(
        sample_forever(state.keys, hash_queue=lambda: state.slot.waiting, clock=state.clock)
    )
    housekeeping = Housekeeping(
        state.engine, families=state.families, retention=state.audit_retention, clock=state.clock
    )
    housekeeping.start()
    state.login.refused.start()
    logging.getLogger(__name__).info("ready to serve")
    yield
    housekeeping.stop()
    state.login.refused.stop()
    sampling.cancel()
    state.slot.close()
    state.engine.dispose()
    state.autocommit.dispose()

"""`auth-service serve`: the HTTP server."""

import signal
import sys

import click
import uvicorn
from sqlalchemy.exc import OperationalError, ProgrammingError

from auth_service import demo
from auth_service.clock import utc_now
from auth_service.commands.context import complain, settings_or_exit
from auth_service.commands.key_store import ensure_keys, sentences
from auth_service.database import UNMIGRATED, lacks_schema, open_engine
from auth_service.keys import open_key_ring, read_passphrase
from auth_service.observability.logs import log_config
from auth_service.observability.metrics_directory import metrics_directory
from auth_service.settings import Settings

# Longer than the gateway keeps an idle connection (20 s), else it writes into a closed one.
_KEEP_ALIVE_SECONDS = 75
_GRACEFUL_SHUTDOWN_SECONDS = 15
# A worker that computes hashes on a busy machine answers its supervisor late, but is well.
_HEALTHCHECK_SECONDS = 30


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8001, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1), help="Processes; default AUTH_WORKERS.")
def serve(host: str, port: int, workers: int | None) -> None:
    """Serve the API."""
    settings = settings_or_exit()
    _refuse_open_demo_account(settings)
    with sentences():
        # Workers that cannot read the keys would end and be started again, over and over.
        ensure_keys(settings, now=utc_now())
        passphrase = read_passphrase(settings.keys_passphrase_file)
        open_key_ring(settings.keys_dir, passphrase=passphrase, now=utc_now())
    # The server ends gracefully and then raises the signal again: as an exit, so that what was
    # opened here is closed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with metrics_directory():
        _run(settings, host=host, port=port, workers=workers or settings.workers)


def _run(settings: Settings, *, host: str, port: int, workers: int) -> None:
    uvicorn.run(
        "auth_service.app:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # Two workers on the plain asyncio loop answer no faster than 44 ms.
        loop="uvloop",
        http="httptools",
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=_HEALTHCHECK_SECONDS,
        access_log=False,
        server_header=False,
        log_config=log_config(settings.log_level),
    )


def _refuse_open_demo_account(settings: Settings) -> None:
    if settings.is_local:
        return
    engine = open_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            demo.refuse_demo_password(connection)
    except demo.DemoAccountInUse as error:
        complain(str(error))
    except OperationalError:
        # A database that is away is no reason not to start: /readyz tells.
        return
    except ProgrammingError as error:
        if not lacks_schema(error):
            raise
        complain(UNMIGRATED)
    finally:
        engine.dispose()

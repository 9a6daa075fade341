"""`auth-service serve`: the HTTP server."""

import logging
import signal
import sys
import time
from contextlib import suppress
from socket import socket

import click
import uvicorn
from sqlalchemy.exc import OperationalError, ProgrammingError
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from auth_service import demo
from auth_service.clock import utc_now
from auth_service.commands.context import Refused, settings_or_exit
from auth_service.commands.key_store import ensure_keys, refuse_on_key_error
from auth_service.database import NOT_MIGRATED, is_schema_missing, open_engine
from auth_service.keys import open_key_ring, read_passphrase
from auth_service.observability import draining
from auth_service.observability.logs import log_config
from auth_service.observability.metrics_directory import metrics_directory
from auth_service.settings import Settings

# Longer than the gateway keeps an idle connection (20 s): it must not write into a closed one.
_KEEP_ALIVE_SECONDS = 75
_GRACEFUL_SHUTDOWN_SECONDS = 15
# On a busy machine a healthy worker that hashes passwords can be slow to answer its supervisor.
_HEALTHCHECK_SECONDS = 30

_log = logging.getLogger(__name__)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8001, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1), help="Processes. Default: AUTH_WORKERS.")
def serve(host: str, port: int, workers: int | None) -> None:
    """Serve the API."""
    settings = settings_or_exit()
    _refuse_demo_password(settings)
    with refuse_on_key_error():
        # A worker that cannot read the keys would exit and be restarted forever.
        ensure_keys(settings, now=utc_now())
        passphrase = read_passphrase(settings.keys_passphrase_file)
        open_key_ring(settings.keys_dir, passphrase=passphrase, now=utc_now())
    # uvicorn shuts down gracefully and then raises the signal again. As an exit, it closes what
    # was opened here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with metrics_directory():
        config = _configure(settings, host=host, port=port, workers=workers or settings.workers)
        _run(config, drain_seconds=settings.drain_seconds)


def _configure(settings: Settings, *, host: str, port: int, workers: int) -> uvicorn.Config:
    return uvicorn.Config(
        "auth_service.app:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        # On asyncio's own loop two workers need 44 ms and more for a response.
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


def _run(config: uvicorn.Config, *, drain_seconds: float) -> None:
    # As `uvicorn.run` does, but with a supervisor of our own, for a single worker too.
    supervisor = _Supervisor(config, [config.bind_socket()], drain_seconds=drain_seconds)
    with suppress(KeyboardInterrupt):
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


class _Supervisor(Multiprocess):
    """uvicorn's supervisor of workers, which also drains, and removes gauges of ended workers.

    On SIGTERM `/healthz` fails first, so that the gateway sends nothing more. The sockets close
    once it has noticed: uvicorn's own supervisor keeps them open while requests in flight end, and
    a connection that the kernel accepts meanwhile is never served.
    """

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket], *, drain_seconds: float
    ) -> None:
        super().__init__(config, sockets)
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None
        self._pids: frozenset[int | None] = frozenset()

    def handle_term(self) -> None:
        # The second signal ends the drain.
        if self._drained_at is not None or not self._drain_seconds:
            super().handle_term()
            return
        _log.info("Draining for %s seconds", self._drain_seconds)
        draining.begin()
        self._drained_at = time.monotonic() + self._drain_seconds

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def keep_subprocess_alive(self) -> None:
        # Only here: it reads PROMETHEUS_MULTIPROC_DIR when it is imported.
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415

        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit.set()
        super().keep_subprocess_alive()
        pids = frozenset(process.pid for process in self.processes)
        for pid in self._pids - pids:
            mark_process_dead(pid)  # type: ignore[no-untyped-call] # of the library
        self._pids = pids


def _refuse_demo_password(settings: Settings) -> None:
    if settings.is_local:
        return
    engine = open_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            demo.refuse_demo_password(connection)
    except demo.DemoAccountInUse as error:
        raise Refused(str(error)) from error
    except OperationalError:
        # The service starts without its database; /readyz reports it.
        return
    except ProgrammingError as error:
        if not is_schema_missing(error):
            raise
        raise Refused(NOT_MIGRATED) from error
    finally:
        engine.dispose()

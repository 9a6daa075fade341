"""`auth-service serve`: the HTTP server."""

import click
import uvicorn

from auth_service.commands.context import settings_or_exit

# Longer than the gateway keeps an idle connection (20 s), else it writes into a closed one.
_KEEP_ALIVE_SECONDS = 75
_GRACEFUL_SHUTDOWN_SECONDS = 15


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8001, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1), help="Processes; default AUTH_WORKERS.")
def serve(host: str, port: int, workers: int | None) -> None:
    """Serve the API."""
    settings = settings_or_exit()
    uvicorn.run(
        "auth_service.app:application",
        factory=True,
        host=host,
        port=port,
        workers=workers or settings.workers,
        # Two workers on the plain asyncio loop answer no faster than 44 ms.
        loop="uvloop",
        http="httptools",
        proxy_headers=True,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_SECONDS,
        access_log=False,
        server_header=False,
    )

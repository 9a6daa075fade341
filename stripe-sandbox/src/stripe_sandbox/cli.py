"""The command `stripe-sandbox`."""

import logging
import math
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from stripe_sandbox import __version__
from stripe_sandbox.api.permissions import KNOWN
from stripe_sandbox.seeds import BadSeed
from stripe_sandbox.settings import BadSetting, Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stripe-sandbox", message="%(prog)s %(version)s")
def main() -> None:
    """An offline Stripe for development and tests."""


@main.command()
def coverage() -> None:
    """List which calls of the API are covered and which are not."""
    # The SDK's sources are read only when they are needed.
    from stripe_sandbox.coverage import report

    click.echo(report(), nl=False)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=12111, show_default=True, help="Port to listen on.")
@click.option("--data", type=Path, help="SQLite file; without it everything is kept in memory.")
@click.option("--seed-file", type=Path, help="Objects to create at start, where missing.")
@click.option("--deterministic", is_flag=True, help="Equal requests get equal ids.")
@click.option("--clock", type=int, metavar="UNIX", help="Time at which the clock stands still.")
@click.option("--live", is_flag=True, help="Live mode: live keys, no test cards, no test clocks.")
@click.option(
    "--after-last-retry",
    type=click.Choice(["cancel", "unpaid", "past_due"]),
    default="cancel",
    show_default=True,
    help="What happens to a subscription when the last retry of a renewal fails.",
)
@click.option("--strict", is_flag=True, help="Check every response against the SDK.")
@click.option(
    "--restricted",
    metavar="PERMISSIONS",
    help="What restricted keys (rk_…) may do, such as customer_write,plan_read.",
)
@click.option(
    "--retry-speed",
    type=float,
    default=60.0,
    show_default=True,
    help="How many times faster than Stripe webhooks are retried.",
)
def serve(host: str, port: int, **options: Any) -> None:
    """Answer the Stripe API."""
    import uvicorn

    from stripe_sandbox import logs
    from stripe_sandbox.app import create_app

    try:
        logs.configure(_log_level())
        app = create_app(_settings(port, **options))
    except (BadSeed, BadSetting) as problem:
        _refuse(str(problem))
    except sqlite3.DatabaseError as problem:
        _refuse(f"--data {options['data']}: {problem}")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        ws="websockets-sansio",
    )


def _refuse(problem: str) -> NoReturn:
    click.echo(f"stripe-sandbox: {problem}", err=True)
    sys.exit(2)


def _log_level() -> str:
    level = (os.environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise BadSetting(f"LOG_LEVEL must be a level such as INFO or DEBUG, not {level}")
    return level


def _permissions(listed: str) -> frozenset[str]:
    named = {name.strip().removeprefix("rak_") for name in listed.split(",") if name.strip()}
    unknown = sorted(named - KNOWN)
    if unknown:
        raise BadSetting(
            f"--restricted has no permission {unknown[0]}; there are {', '.join(sorted(KNOWN))}"
        )
    return frozenset(named)


def _settings(
    port: int,
    *,
    data: Path | None,
    seed_file: Path | None,
    deterministic: bool,
    clock: int | None,
    live: bool,
    after_last_retry: str,
    strict: bool,
    restricted: str | None,
    retry_speed: float,
) -> Settings:
    if not 0 < retry_speed < math.inf:
        raise BadSetting(f"--retry-speed must be greater than 0, not {retry_speed}")
    public_url = os.environ.get("SANDBOX_PUBLIC_URL") or f"http://localhost:{port}"
    # A receiver that trusts the endpoint's secret trusts `stripe listen` as well.
    secrets = os.environ.get("STRIPE_WEBHOOK_SECRET", "")
    return Settings(
        public_url=public_url.rstrip("/"),
        account_name=os.environ.get("SANDBOX_ACCOUNT_NAME") or Settings.account_name,
        data=data,
        seed_file=seed_file,
        deterministic=deterministic,
        fixed_time=clock,
        live=live,
        after_last_retry=after_last_retry,
        strict=strict or os.environ.get("SANDBOX_STRICT") == "1",
        retry_speed=retry_speed,
        permissions=None if restricted is None else _permissions(restricted),
        listen_secret=secrets.split(",")[0].strip() or None,
    )

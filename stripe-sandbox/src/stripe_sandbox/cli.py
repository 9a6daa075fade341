"""The command `stripe-sandbox`."""

import argparse
import logging
import math
import os
import sqlite3
import sys
from pathlib import Path

import uvicorn

from stripe_sandbox.seeds import BadSeed
from stripe_sandbox.settings import BadSetting, Settings


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand.

    Returns:
        The exit code: 2 for a wrong setting, said in one sentence.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "coverage":
        from stripe_sandbox.coverage import report

        sys.stdout.write(report())
        return 0
    return _serve(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stripe-sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer the Stripe API")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=12111)
    serve.add_argument("--data", type=Path, help="SQLite file; kept in memory if left out")
    serve.add_argument("--seed-file", type=Path, help="objects to make at start if missing")
    serve.add_argument("--deterministic", action="store_true", help="equal requests, equal ids")
    serve.add_argument("--clock", type=int, metavar="UNIX", help="the time, standing still")
    serve.add_argument("--strict", action="store_true", help="check every response")
    serve.add_argument(
        "--retry-speed",
        type=float,
        default=60.0,
        help="how many times faster than Stripe webhooks are retried",
    )
    commands.add_parser("coverage", help="list what is covered of the API and what is not")
    return parser


def _serve(options: argparse.Namespace) -> int:
    # Starlette and the resources are read only when there is something to serve.
    from stripe_sandbox.app import create_app

    public_url = os.environ.get("SANDBOX_PUBLIC_URL") or f"http://localhost:{options.port}"
    try:
        _log(os.environ.get("LOG_LEVEL") or "INFO")
        app = create_app(_settings(options, public_url))
    except (BadSeed, BadSetting) as problem:
        return _refuse(str(problem))
    except sqlite3.DatabaseError as problem:
        return _refuse(f"--data {options.data}: {problem}")
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
        ws="websockets-sansio",
    )
    return 0


def _refuse(problem: str) -> int:
    sys.stderr.write(f"stripe-sandbox: {problem}\n")
    return 2


def _log(level: str) -> None:
    if level.upper() not in logging.getLevelNamesMapping():
        raise BadSetting(f"LOG_LEVEL is no level of logging: {level}")
    logging.basicConfig(level=level.upper())
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _settings(options: argparse.Namespace, public_url: str) -> Settings:
    if not 0 < options.retry_speed < math.inf:
        raise BadSetting(f"--retry-speed must be greater than 0: {options.retry_speed}")
    # A receiver that trusts the endpoint's secret trusts `stripe listen` as well.
    secrets = os.environ.get("STRIPE_WEBHOOK_SECRET", "")
    return Settings(
        public_url=public_url.rstrip("/"),
        data=options.data,
        seed_file=options.seed_file,
        deterministic=options.deterministic,
        fixed_time=options.clock,
        strict=options.strict or os.environ.get("SANDBOX_STRICT") == "1",
        retry_speed=options.retry_speed,
        listen_secret=secrets.split(",")[0].strip() or None,
    )


if __name__ == "__main__":
    sys.exit(main())

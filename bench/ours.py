"""Start our services as they are run in production, two workers each."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from bench.calls import client
from bench.postgres import Postgres
from bench.processes import inherited_environment, run, server
from bench.rounds import Contender
from bench.setting import PASSWORD, ROOT, THREADS, USERS, WEBHOOK_SECRET, WORKERS
from dev.processes.ports import free_port

INTERNAL_SECRET = "internal-client-secret-of-the-benchmark"
AUTH = ROOT / "auth-service"
BILLING = ROOT / "billing-service"
SANDBOX = ROOT / "stripe-sandbox"
_PYTHON = str(BILLING / ".venv/bin/python")


@dataclass(frozen=True)
class Environments:
    """What each service is started with, and where each listens."""

    auth: dict[str, str]
    billing: dict[str, str]
    sandbox: dict[str, str]
    auth_port: int
    billing_port: int
    stripe_port: int
    sandbox_port: int
    billing_database: str


def environments(database: Postgres, folder: Path) -> Environments:
    """Lay out a whole system on free ports without starting any of it.

    Args:
        database: The server that will hold both services' databases.
        folder: Where keys and caches go.
    """
    auth_port, billing_port, stripe_port, sandbox_port = (free_port() for _ in range(4))
    shared = inherited_environment() | {
        # Staging is the production configuration without the refusals that need a live account.
        "ENVIRONMENT": "staging",
        "PUBLIC_URL": f"http://127.0.0.1:{auth_port}",
        "LOG_LEVEL": "WARNING",
        "AUTH_INTERNAL_CLIENT_SECRET": INTERNAL_SECRET,
        "SECOND_FACTOR_KEY": INTERNAL_SECRET,
    }
    auth = shared | {
        "AUTH_DATABASE_URL": database.url("auth"),
        "KEYS_DIR": str(folder / "keys"),
        "AUTH_WORKERS": str(WORKERS),
        # A full run takes longer than the default five minutes.
        "ACCESS_TOKEN_LIFETIME_SECONDS": "3600",
    }
    billing = shared | {
        "BILLING_DATABASE_URL": database.url("billing"),
        "DJANGO_SECRET_KEY": "benchmark-only-value-of-at-least-fifty-characters-for-django",
        "AUTH_INTERNAL_URL": f"http://127.0.0.1:{auth_port}",
        "JWKS_CACHE_FILE": str(folder / "jwks.json"),
        "STRIPE_API_SECRET": "sk_test_sandbox",
        "STRIPE_API_BASE": f"http://127.0.0.1:{stripe_port}",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_BASIC_PRODUCT_PRICE_ID": "price_sandbox_basic",
        "STRIPE_PRO_PRODUCT_PRICE_ID": "price_sandbox_pro",
        "BILLING_BIND": f"127.0.0.1:{billing_port}",
        "BILLING_WORKERS": str(WORKERS),
        "BILLING_THREADS": str(THREADS),
    }
    sandbox = inherited_environment() | {"SANDBOX_PUBLIC_URL": f"http://127.0.0.1:{sandbox_port}"}
    return Environments(
        auth, billing, sandbox, auth_port, billing_port, stripe_port, sandbox_port, "billing"
    )


def with_another_billing(
    environment: Environments, database: Postgres, *, name: str
) -> Environments:
    """Lay out a second billing-service beside the first, with a database of its own.

    Args:
        environment: The system it belongs to.
        database: The server that will hold its database.
        name: Its database's name.
    """
    port = free_port()
    changed = {
        "BILLING_DATABASE_URL": database.url(name),
        "BILLING_BIND": f"127.0.0.1:{port}",
    }
    return replace(
        environment,
        billing=environment.billing | changed,
        billing_port=port,
        billing_database=name,
    )


@contextmanager
def auth_service(
    database: Postgres, folder: Path, environment: Environments, *, users: int = USERS
) -> Iterator[Contender]:
    """Migrate and serve auth-service and give it users named `user0`, `user1`, …."""
    database.create_database("auth")
    program = str(AUTH / ".venv/bin/auth-service")
    run([program, "migrate"], cwd=AUTH, env=environment.auth)
    port = environment.auth_port
    command = [program, "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS)]
    log = folder / "auth.log"
    with server(command, cwd=AUTH, env=environment.auth, port=port, log=log) as pid:
        _create_users(port, users)
        yield Contender(port=port, processes=(pid, database.pid))


def _create_users(port: int, users: int) -> None:
    with client(port) as auth:
        for number in range(users):
            if number % 100 == 0:
                # A service token lives for a minute.
                token = _service_token(auth)
            auth.post(
                "/internal/users",
                json={"username": f"user{number}", "password": PASSWORD},
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())},
            )


def _service_token(auth: httpx.Client) -> str:
    answer = auth.post(
        "/internal/token",
        auth=("billing-service", INTERNAL_SECRET),
        data={"grant_type": "client_credentials"},
    )
    token: str = answer.json()["access_token"]
    return token


@contextmanager
def sandbox(folder: Path, environment: Environments) -> Iterator[None]:
    """Serve the sandbox with the demo's products and no webhook endpoint.

    The benchmark delivers events itself, as many and as fast as it wants to measure.
    """
    seed = json.loads((SANDBOX / "seeds/demo.json").read_text())
    seed_file = folder / "seed.json"
    seed_file.write_text(json.dumps({**seed, "webhook_endpoints": []}))
    port = environment.sandbox_port
    command = [str(SANDBOX / ".venv/bin/stripe-sandbox"), "serve", "--port", str(port)]
    command += ["--seed-file", str(seed_file)]
    log = folder / "sandbox.log"
    with server(command, cwd=SANDBOX, env=environment.sandbox, port=port, log=log):
        yield


@contextmanager
def billing_service(
    database: Postgres,
    folder: Path,
    environment: Environments,
    *,
    fill: Callable[[], None] = lambda: None,
) -> Iterator[Contender]:
    """Migrate and serve billing-service, its products made and its worker not started.

    Args:
        database: The server to make its database in.
        folder: Where its log goes.
        environment: What it is started with.
        fill: Called when the tables are there, before the first request.
    """
    database.create_database(environment.billing_database)
    for command in ("migrate", "seed_products"):
        run([_PYTHON, "manage.py", command], cwd=BILLING, env=environment.billing)
    fill()
    command_line = [_PYTHON, "-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    port, log = environment.billing_port, folder / f"{environment.billing_database}.log"
    with server(command_line, cwd=BILLING, env=environment.billing, port=port, log=log) as pid:
        yield Contender(port=port, processes=(pid, database.pid))


@contextmanager
def billing_worker(folder: Path, environment: Environments) -> Iterator[int]:
    """Run billing-service's worker and yield its pid."""
    command = [_PYTHON, "manage.py", "run_worker"]
    log = folder / "worker.log"
    with server(command, cwd=BILLING, env=environment.billing, port=None, log=log) as pid:
        yield pid

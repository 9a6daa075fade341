"""The table of everything the system is made of: what it runs, reads, needs and answers."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

from dev.config.settings import Settings
from dev.errors import ComponentFailed, ToolMissing
from dev.processes.components import Answers, Component, Process, Task, is_of_the_machine
from dev.programs import gateway, postgres

# Who reads what: a secret reaches only the processes that need it.
SHARED = ("ENVIRONMENT", "PUBLIC_URL", "TOKEN_ISSUER", "LOG_LEVEL")
AUTH = (
    *SHARED,
    *("APP_NAME", "AUTH_DATABASE_URL", "AUTH_INTERNAL_CLIENT_SECRET", "AUTH_WORKERS"),
    *("KEYS_DIR", "KEYS_PASSPHRASE_FILE", "TOKEN_AUDIENCES", "ACCESS_TOKEN_LIFETIME_SECONDS"),
    *("REFRESH_*", "THROTTLE_*", "FORWARDED_ALLOW_IPS"),
)
BILLING = (
    *SHARED,
    *("BILLING_DATABASE_URL", "BILLING_BIND", "BILLING_WORKERS", "BILLING_THREADS"),
    *("DJANGO_SECRET_KEY", "AUTH_INTERNAL_URL", "AUTH_INTERNAL_CLIENT_SECRET"),
    *("TOKEN_AUDIENCE", "JWKS_CACHE_FILE", "PAST_DUE_GRACE_DAYS", "STRIPE_*", "CARD_FAILURES_*"),
    "KEEP_*",
)
SANDBOX = ("LOG_LEVEL", "SANDBOX_*", "STRIPE_WEBHOOK_SECRET", "STRIPE_*_PRODUCT_PRICE_ID")
GATEWAY = ("AUTH_UPSTREAMS", "BILLING_UPSTREAMS", "TOKEN_*", "PUBLIC_RPS", "PUBLIC_BURST")


@dataclass(frozen=True, kw_only=True)
class System:
    """The components of one system."""

    settings: Settings
    components: tuple[Component, ...]
    cluster: postgres.Cluster

    @property
    def processes(self) -> tuple[Process, ...]:
        """The components that stay."""
        return tuple(component for component in self.components if isinstance(component, Process))


def system(settings: Settings) -> System:
    """Lay out the whole system for these settings.

    Args:
        settings: Ports, addresses and secrets.
    """
    ports = settings.ports
    values = {**settings.values, **_addresses(settings)}
    auth_dir = settings.root / "auth-service"
    billing_dir = settings.root / "billing-service"
    sandbox_dir = settings.root / "stripe-sandbox"
    logs = settings.log_dir
    cluster = postgres.cluster(settings.state_dir, identity=values["POSTGRES_PASSWORD"])
    auth_env = _environment(values, AUTH, venv=auth_dir)
    billing_env = _environment(values, BILLING, venv=billing_dir)
    manage = (_program(billing_dir, "python"), "manage.py")

    def command(name: str, *argv: str, cwd: Path, env: Mapping[str, str]) -> Callable[[], None]:
        return lambda: _run(name, argv, cwd=cwd, env=env, log=logs / f"{name}.log")

    sandbox = Process(
        name="stripe-sandbox",
        argv=(
            _program(sandbox_dir, "stripe-sandbox"),
            "serve",
            *("--host", "127.0.0.1", "--port", str(ports.sandbox)),
            *("--data", str(settings.state_dir / "sandbox.sqlite")),
            *("--seed-file", str(sandbox_dir / "seeds" / "demo.json")),
        ),
        cwd=sandbox_dir,
        env=_environment(values, SANDBOX, venv=sandbox_dir),
        ready=Answers(f"http://127.0.0.1:{ports.sandbox}/healthz"),
        ports={"SANDBOX_PORT": ports.sandbox},
        stop_signal=signal.SIGTERM,
        stop_order=2,
    )
    components: tuple[Component, ...] = (
        Task(
            name="postgres-files",
            run=lambda: cluster.initialise(superuser_password=values["POSTGRES_PASSWORD"]),
        ),
        Process(
            name="postgres",
            argv=cluster.argv(port=ports.postgres),
            cwd=Path("/"),
            env=_environment(values, ()),
            user=cluster.user,
            ready=lambda: cluster.is_ready(port=ports.postgres),
            ports={"POSTGRES_PORT": ports.postgres},
            after=("postgres-files",),
            # Fast shutdown: PostgreSQL takes SIGTERM as "when the last client has left".
            stop_signal=signal.SIGINT,
            stop_order=3,
        ),
        Task(
            name="databases",
            run=lambda: cluster.apply(
                settings.root / "dev" / "databases.sql",
                port=ports.postgres,
                env={**values, "PGPASSWORD": values["POSTGRES_PASSWORD"]},
            ),
            after=("postgres",),
        ),
        *([sandbox] if settings.sandbox_url else []),
        Task(
            name="auth-migrations",
            run=command(
                "auth-migrations",
                _program(auth_dir, "auth-service"),
                "migrate",
                cwd=auth_dir,
                env=auth_env,
            ),
            after=("databases",),
        ),
        Task(
            name="billing-migrations",
            run=command("billing-migrations", *manage, "migrate", cwd=billing_dir, env=billing_env),
            after=("databases",),
        ),
        Task(
            name="billing-products",
            run=command(
                "billing-products", *manage, "seed_products", cwd=billing_dir, env=billing_env
            ),
            after=("billing-migrations", *(["stripe-sandbox"] if settings.sandbox_url else [])),
        ),
        Process(
            name="auth-service",
            argv=(
                _program(auth_dir, "auth-service"),
                "serve",
                *("--host", "127.0.0.1", "--port", str(ports.auth)),
                *("--workers", values.get("AUTH_WORKERS") or "2"),
            ),
            cwd=auth_dir,
            env=auth_env,
            ready=Answers(f"http://127.0.0.1:{ports.auth}/readyz"),
            ports={"AUTH_PORT": ports.auth},
            after=("auth-migrations",),
            stop_signal=signal.SIGTERM,
            stop_order=1,
        ),
        Process(
            name="billing-service",
            argv=(
                _program(billing_dir, "gunicorn"),
                *("-c", "config/gunicorn.py", "config.wsgi"),
            ),
            cwd=billing_dir,
            env=billing_env,
            ready=Answers(f"http://127.0.0.1:{ports.billing}/readyz"),
            ports={"BILLING_PORT": ports.billing},
            # Later than the keys it verifies with, so that its first request finds them.
            after=("billing-migrations", "auth-service"),
            stop_signal=signal.SIGTERM,
            stop_order=1,
        ),
        Process(
            name="billing-worker",
            argv=(*manage, "run_worker"),
            cwd=billing_dir,
            env=billing_env,
            ready=lambda: cluster.has_worker(values["BILLING_DATABASE_URL"]),
            ports={},
            after=("billing-products", "auth-service"),
            stop_signal=signal.SIGTERM,
            stop_order=1,
        ),
        Task(
            name="gateway-files",
            run=lambda: gateway.write_files(
                settings.root / "gateway",
                settings.state_dir / "gateway",
                port=ports.gateway,
                ops_port=ports.ops,
            ),
        ),
        Process(
            name="gateway",
            argv=gateway.argv(settings.state_dir / "gateway"),
            cwd=settings.state_dir / "gateway",
            env=_environment(values, GATEWAY),
            ready=Answers(f"http://127.0.0.1:{ports.ops}/ping"),
            ports={"GATEWAY_PORT": ports.gateway, "GATEWAY_OPS_PORT": ports.ops},
            # Later than the services, so that it never sees them missing.
            after=("gateway-files", "auth-service", "billing-service"),
            stop_signal=signal.SIGTERM,
            stop_order=0,
        ),
    )
    return System(settings=settings, components=components, cluster=cluster)


def _addresses(settings: Settings) -> dict[str, str]:
    """The variables whose value is where this system's components really are."""
    ports, values, state = settings.ports, settings.values, settings.state_dir

    def database(name: str) -> str:
        password = quote(values[f"{name.upper()}_DATABASE_PASSWORD"], safe="")
        return f"postgresql://{name}:{password}@127.0.0.1:{ports.postgres}/{name}"

    usual = {
        "AUTH_DATABASE_URL": database("auth"),
        "BILLING_DATABASE_URL": database("billing"),
        "AUTH_INTERNAL_URL": f"http://127.0.0.1:{ports.auth}",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "JWKS_CACHE_FILE": str(state / "billing" / "jwks.json"),
        "AUTH_UPSTREAMS": f"http://127.0.0.1:{ports.auth}",
        "BILLING_UPSTREAMS": f"http://127.0.0.1:{ports.billing}",
        "STRIPE_DASHBOARD_URL": settings.sandbox_url or "",
        "SANDBOX_WEBHOOK_URL": f"http://127.0.0.1:{ports.gateway}/api/stripe-webhook/",
    }
    own_sandbox = {
        "STRIPE_API_BASE": f"http://127.0.0.1:{ports.sandbox}",
        "SANDBOX_PUBLIC_URL": settings.sandbox_url or "",
    }
    return {
        **{name: values.get(name) or value for name, value in usual.items()},
        "PUBLIC_URL": settings.public_url,
        "BILLING_BIND": f"127.0.0.1:{ports.billing}",
        "KEYS_DIR": str(settings.keys_dir),
        **(own_sandbox if settings.sandbox_url else {}),
    }


def _environment(
    values: Mapping[str, str], names: tuple[str, ...], *, venv: Path | None = None
) -> dict[str, str]:
    env = {
        name: value
        for name, value in values.items()
        if is_of_the_machine(name) or any(fnmatchcase(name, pattern) for pattern in names)
    }
    # A log that is written in blocks tells nothing about a process that has just died.
    env["PYTHONUNBUFFERED"] = "1"
    if venv is not None:
        env["PATH"] = os.pathsep.join([str(venv / ".venv" / "bin"), env.get("PATH", "")])
    return env


def _program(folder: Path, name: str) -> str:
    return str(folder / ".venv" / "bin" / name)


def _run(name: str, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], log: Path) -> None:
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        except FileNotFoundError as error:
            raise ToolMissing(f"{error.filename} is missing: run `make setup`.") from error
    if status:
        raise ComponentFailed(f"{name} ended with status {status}.", log=log)

"""The components of the system: what each runs, reads and needs, and how it shows it is ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.config.environments import (
    AUTH,
    BILLING,
    GATEWAY,
    SANDBOX,
    environment,
    values_in_place,
)
from dev.config.settings import Settings
from dev.processes.components import Answers, Component, Process, Task
from dev.processes.supervise import run
from dev.programs import gateway, postgres


@dataclass(frozen=True, kw_only=True)
class System:
    """The components of one system, and the PostgreSQL files that belong to it."""

    settings: Settings
    components: tuple[Component, ...]
    cluster: postgres.Cluster

    @property
    def processes(self) -> tuple[Process, ...]:
        """The components that keep running."""
        return tuple(one for one in self.components if isinstance(one, Process))

    def process(self, name: str) -> Process:
        """The process of this name."""
        return next(process for process in self.processes if process.name == name)


@dataclass(frozen=True)
class _Plan:
    """What the functions below share: the settings, every variable, and the PostgreSQL files."""

    settings: Settings
    values: Mapping[str, str]
    cluster: postgres.Cluster

    def folder(self, name: str) -> Path:
        return self.settings.root / name

    def program(self, folder: str, name: str) -> str:
        return str(self.folder(folder) / ".venv" / "bin" / name)

    def command(
        self, name: str, *argv: str, folder: str, names: tuple[str, ...], after: tuple[str, ...]
    ) -> Task:
        """A task that runs a service's command with the service's environment."""
        cwd = self.folder(folder)
        env = environment(self.values, names, venv=cwd)
        log = self.settings.log_dir / f"{name}.log"
        return Task(name=name, after=after, run=lambda: run(name, argv, cwd=cwd, env=env, log=log))


def system(settings: Settings) -> System:
    """Lay out the whole system for these settings, without starting any of it."""
    values = values_in_place(settings)
    cluster = postgres.cluster(settings.state_dir, identity=values["POSTGRES_PASSWORD"])
    plan = _Plan(settings, values, cluster)
    components: list[Component] = [
        _postgres_files(plan),
        _postgres(plan),
        _databases(plan),
        _auth_migrations(plan),
        _auth_service(plan),
        _auth_worker(plan),
        _billing_migrations(plan),
        _billing_products(plan),
        _billing_service(plan),
        _billing_worker(plan),
        _gateway_files(plan),
        _gateway(plan),
    ]
    if settings.sandbox_url:
        components.insert(3, _stripe_sandbox(plan))
    return System(settings=settings, components=tuple(components), cluster=cluster)


def _postgres_files(plan: _Plan) -> Task:
    password = plan.values["POSTGRES_PASSWORD"]
    return Task(
        name="postgres-files", run=lambda: plan.cluster.initialise(superuser_password=password)
    )


def _postgres(plan: _Plan) -> Process:
    return plan.cluster.process(
        port=plan.settings.ports.postgres,
        variable="POSTGRES_PORT",
        env=environment(plan.values),
        after=("postgres-files",),
        stop_order=3,
    )


def _databases(plan: _Plan) -> Task:
    script = plan.settings.root / "dev" / "databases.sql"
    port = plan.settings.ports.postgres
    env = {**plan.values, "PGPASSWORD": plan.values["POSTGRES_PASSWORD"]}
    return Task(
        name="databases",
        run=lambda: plan.cluster.apply(script, port=port, env=env),
        after=("postgres",),
    )


def _stripe_sandbox(plan: _Plan) -> Process:
    folder, port = plan.folder("stripe-sandbox"), plan.settings.ports.sandbox
    seed_file = folder / "seeds" / "demo.json"
    return Process(
        name="stripe-sandbox",
        argv=(
            plan.program("stripe-sandbox", "stripe-sandbox"),
            "serve",
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--data", str(plan.settings.state_dir / "sandbox.sqlite")),
            *("--seed-file", str(seed_file)),
        ),
        cwd=folder,
        env=environment(plan.values, SANDBOX, venv=folder),
        made_from=(folder / "src" / "stripe_sandbox", folder / "requirements.txt", seed_file),
        ready=Answers(f"http://127.0.0.1:{port}/healthz"),
        ports={"SANDBOX_PORT": port},
        stop_order=2,
    )


def _auth_migrations(plan: _Plan) -> Task:
    program = plan.program("auth-service", "auth-service")
    return plan.command(
        "auth-migrations",
        program,
        "migrate",
        folder="auth-service",
        names=AUTH,
        after=("databases",),
    )


def _auth_service(plan: _Plan) -> Process:
    folder, port = plan.folder("auth-service"), plan.settings.ports.auth
    return Process(
        name="auth-service",
        argv=(
            plan.program("auth-service", "auth-service"),
            "serve",
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--workers", plan.values.get("AUTH_WORKERS") or "2"),
        ),
        cwd=folder,
        env=environment(plan.values, AUTH, venv=folder),
        made_from=(folder / "src" / "auth_service", folder / "requirements.txt"),
        ready=Answers(f"http://127.0.0.1:{port}/readyz"),
        ports={"AUTH_PORT": port},
        after=("auth-migrations",),
        stop_order=1,
    )


def _auth_worker(plan: _Plan) -> Process:
    folder = plan.folder("auth-service")
    return Process(
        name="auth-worker",
        argv=(plan.program("auth-service", "auth-service"), "worker"),
        cwd=folder,
        env=environment(plan.values, AUTH, venv=folder),
        made_from=(folder / "src" / "auth_service", folder / "requirements.txt"),
        ready=lambda: plan.cluster.has_session(
            plan.values["AUTH_DATABASE_URL"], name="auth-service worker"
        ),
        after=("auth-migrations",),
        # It finishes the mails that it is sending, each within 30 s.
        stop_seconds=40.0,
        stop_order=1,
    )


def _billing_migrations(plan: _Plan) -> Task:
    return _manage(plan, "billing-migrations", "migrate", after=("databases",))


def _billing_products(plan: _Plan) -> Task:
    sandbox = ("stripe-sandbox",) if plan.settings.sandbox_url else ()
    return _manage(
        plan, "billing-products", "seed_products", after=("billing-migrations", *sandbox)
    )


def _manage(plan: _Plan, name: str, command: str, *, after: tuple[str, ...]) -> Task:
    python = plan.program("billing-service", "python")
    return plan.command(
        name, python, "manage.py", command, folder="billing-service", names=BILLING, after=after
    )


def _billing_service(plan: _Plan) -> Process:
    port = plan.settings.ports.billing
    return Process(
        name="billing-service",
        argv=(
            plan.program("billing-service", "gunicorn"),
            *("-c", "config/gunicorn.py", "config.wsgi"),
        ),
        cwd=plan.folder("billing-service"),
        env=environment(plan.values, BILLING, venv=plan.folder("billing-service")),
        made_from=_billing_sources(plan),
        ready=Answers(f"http://127.0.0.1:{port}/readyz"),
        ports={"BILLING_PORT": port},
        # After the keys it verifies with, so that its first request finds them.
        after=("billing-migrations", "auth-service"),
        stop_order=1,
    )


def _billing_worker(plan: _Plan) -> Process:
    return Process(
        name="billing-worker",
        argv=(plan.program("billing-service", "python"), "manage.py", "run_worker"),
        cwd=plan.folder("billing-service"),
        env=environment(plan.values, BILLING, venv=plan.folder("billing-service")),
        made_from=_billing_sources(plan),
        ready=lambda: plan.cluster.has_worker(plan.values["BILLING_DATABASE_URL"]),
        after=("billing-products", "auth-service"),
        # A job is given five seconds, then asked to end: that takes one customer's calls at Stripe.
        stop_seconds=45.0,
        stop_order=1,
    )


def _billing_sources(plan: _Plan) -> tuple[Path, ...]:
    """Every package and file of billing-service but its tests."""
    folder = plan.folder("billing-service")
    packages = (marker.parent for marker in folder.glob("*/__init__.py"))
    code = [path for path in (*packages, *folder.glob("*.py")) if path.stem != "tests"]
    return (*sorted(code), folder / "requirements.txt")


def _gateway_files(plan: _Plan) -> Task:
    ports = plan.settings.ports
    source, target = plan.folder("gateway"), plan.settings.state_dir / "gateway"
    return Task(
        name="gateway-files",
        run=lambda: gateway.write_files(source, target, port=ports.gateway, ops_port=ports.ops),
    )


def _gateway(plan: _Plan) -> Process:
    ports, target = plan.settings.ports, plan.settings.state_dir / "gateway"
    return Process(
        name="gateway",
        argv=gateway.argv(target),
        # Where it looks for plugins.
        cwd=plan.folder("gateway"),
        env=environment(plan.values, GATEWAY),
        # Traefik reads these once; it watches the routes itself.
        made_from=(
            plan.folder("gateway") / "traefik.yml",
            plan.folder("gateway") / "plugins-local",
        ),
        ready=Answers(f"http://127.0.0.1:{ports.ops}/ping"),
        ports={"GATEWAY_PORT": ports.gateway, "GATEWAY_OPS_PORT": ports.ops},
        # After the services, so that it never finds them missing.
        after=("gateway-files", "auth-service", "billing-service"),
        stop_order=0,
    )

"""The bundled PostgreSQL: two databases that do not see each other."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dev.config.settings import ROOT
from dev.processes import supervise
from dev.processes.ports import free_port, is_taken
from dev.programs import postgres

PASSWORDS = {
    "PGPASSWORD": "superuser's",
    "AUTH_DATABASE_PASSWORD": "auth's, with a 'quote'",
    "BILLING_DATABASE_PASSWORD": "billing's",
}


@dataclass
class Server:
    """A running server."""

    cluster: postgres.Cluster
    port: int

    def connect(self, user: str, password: str, database: str) -> int:
        """Try to open a database; 0 when it opens."""
        program = str(self.cluster.bin_dir / "psql")
        address = f"host=127.0.0.1 port={self.port} user={user} dbname={database}"
        return subprocess.run(
            [program, "-X", "-q", "-c", "SELECT 1", address],
            env={"PGPASSWORD": password},
            capture_output=True,
            check=False,
        ).returncode

    def apply(self, environment: str) -> None:
        """Run the script that makes databases and roles."""
        self.cluster.apply(
            ROOT / "dev" / "databases.sql",
            port=self.port,
            env={**PASSWORDS, "ENVIRONMENT": environment},
        )

    def query(self, sql: str) -> str:
        """Ask as the superuser."""
        password = PASSWORDS["PGPASSWORD"]
        return self.cluster.query(sql, database="postgres", port=self.port, password=password)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a new data directory."""
    state_dir = tmp_path_factory.mktemp("state")
    for folder in ("run", "logs"):
        (state_dir / folder).mkdir()
    # pytest's directories are closed to others, which sends root to the temporary directory.
    cluster = postgres.cluster(state_dir, identity="test")
    cluster.initialise(superuser_password=PASSWORDS["PGPASSWORD"])
    port = free_port()
    log = state_dir / "logs" / "postgres.log"
    with supervise.running(cluster.process(port=port, env={}), run_dir=state_dir / "run", log=log):
        yield Server(cluster, port)
    cluster.remove()


def test_each_role_opens_its_own_database_alone(server: Server) -> None:
    """Neither service can read what the other one keeps."""
    server.apply("local")
    auth, billing = PASSWORDS["AUTH_DATABASE_PASSWORD"], PASSWORDS["BILLING_DATABASE_PASSWORD"]

    assert server.connect("auth", auth, "auth") == 0
    assert server.connect("billing", billing, "billing") == 0
    assert server.connect("auth", auth, "billing") != 0
    assert server.connect("billing", billing, "auth") != 0
    assert server.connect("auth", "wrong", "auth") != 0


@pytest.mark.parametrize(("environment", "opens"), [("local", True), ("production", False)])
def test_only_a_local_billing_opens_the_superusers_database(
    server: Server, environment: str, opens: bool
) -> None:
    """`manage.py test` begins there; in production there is nothing to see for a service."""
    server.apply(environment)

    password = PASSWORDS["BILLING_DATABASE_PASSWORD"]
    assert (server.connect("billing", password, "postgres") == 0) is opens


def test_the_password_of_the_queues_database_is_in_no_argument(
    server: Server, tmp_path: Path
) -> None:
    """Every user of the machine can list the arguments of a process."""
    seen = tmp_path / "seen"
    psql = tmp_path / "psql"
    psql.write_text(f'#!/bin/sh\necho "$@" "password: $PGPASSWORD" > {seen}\necho 1\n')
    psql.chmod(0o755)

    alive = replace(server.cluster, bin_dir=tmp_path).has_worker(
        "postgresql://billing:p%40ss@db:5432/billing?sslmode=require"
    )

    assert alive
    assert "postgresql://billing@db:5432/billing?sslmode=require" in seen.read_text()
    assert seen.read_text().endswith("password: p@ss\n")


def test_the_script_can_be_run_again(server: Server) -> None:
    """Every start runs it."""
    server.apply("local")
    server.apply("local")

    assert server.query("SELECT count(*) FROM pg_database WHERE datname = 'auth'") == "1"


@pytest.mark.parametrize(("environment", "may"), [("local", "t"), ("production", "f")])
def test_only_a_local_billing_may_make_databases(
    server: Server, environment: str, may: str
) -> None:
    """`manage.py test` needs it; a production role must not have it."""
    server.apply(environment)

    asked = "SELECT rolcreatedb FROM pg_roles WHERE rolname = '{}'"
    assert server.query(asked.format("billing")) == may
    assert server.query(asked.format("auth")) == "f"


def test_a_first_start_that_was_interrupted_is_begun_again(server: Server) -> None:
    """Half a data directory must not be taken for a whole one."""
    cluster = replace(server.cluster, data_dir=server.cluster.data_dir.parent / "second")
    (cluster.data_dir / "new").mkdir(parents=True)
    (cluster.data_dir / "new" / "half").touch()

    cluster.initialise(superuser_password="any")

    assert (cluster.data_dir / "PG_VERSION").exists()
    assert not (cluster.data_dir / "new").exists()


def test_a_temporary_server_ends_with_its_caller() -> None:
    """A killed test run leaves no server behind: its end of the pipe is closed for it."""
    with subprocess.Popen(
        [sys.executable, "-m", "dev.programs.temporary_postgres"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        address = urlsplit(server.stdout.readline())
        assert is_taken(address.port or 0)

        server.stdin.close()

        assert server.wait(60) == 0
    assert not is_taken(address.port or 0)

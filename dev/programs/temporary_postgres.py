"""`python -m dev.programs.temporary_postgres`: a server that ends with its test run.

It prints the superuser's address on one line and runs until its standard input is closed, which
also happens when the caller is killed.
"""

import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.errors import ComponentFailed, LauncherError
from dev.processes import supervise
from dev.processes.interruptions import end_like_ctrl_c
from dev.processes.ports import free_port
from dev.programs import postgres

# The data is thrown away, so no commit has to reach the disk.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True)
class Server:
    """A running server: its port, its superuser's password, its process and its log."""

    port: int
    password: str
    pid: int
    log: Path

    def url(self, database: str = "postgres") -> str:
        """The superuser's address of a database."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def temporary_postgres(options: Mapping[str, str]) -> Iterator[Server]:
    """Run a server with new data and remove both at the end.

    Args:
        options: Settings of the server that differ from PostgreSQL's.

    Raises:
        ComponentFailed: The server did not start; the sentence ends with the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        state_dir = Path(folder)
        # If we are root, the server runs under another account, which needs access to its data.
        state_dir.chmod(0o711)
        logs = state_dir / "logs"
        for made in (logs, state_dir / "run"):
            made.mkdir()
        password, port = secrets.token_urlsafe(16), free_port()
        cluster = postgres.cluster(state_dir, identity=password)
        try:
            cluster.initialise(superuser_password=password)
            process = cluster.process(port=port, env={}, options=options)
            log = logs / "postgres.log"
            with supervise.running(process, run_dir=state_dir / "run", log=log) as pid:
                yield Server(port, password, pid, log)
        except ComponentFailed as error:
            # The log is removed with the folder.
            raise ComponentFailed(f"{error} {error.log_tail()}") from error
        finally:
            cluster.remove()


def main() -> int:
    """Run a server until standard input is closed.

    Returns:
        0, or 1 when the server did not start.
    """
    # A Ctrl-C ends the test run, which still needs the server meanwhile.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    try:
        with temporary_postgres(NOT_DURABLE) as server:
            sys.stdout.write(f"{server.url()}\n")
            sys.stdout.flush()
            os.read(sys.stdin.fileno(), 1)
    except LauncherError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Gunicorn's configuration: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]  # untyped in the library

from config import draining

# prometheus_client picks its storage while it is imported, so the folder must exist before the
# workers load the application.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="billing-metrics-")


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # as above
    """Gunicorn's threaded worker, which closes its sockets as soon as it stops accepting for good.

    Gunicorn's own keeps them open until the last request in flight has ended. The kernel accepts
    connections meanwhile, and no process serves them.
    """

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Begin or stop to accept connections."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()


bind = os.environ.get("BILLING_BIND") or f"0.0.0.0:{os.environ.get('BILLING_PORT') or '8002'}"
worker_class = DrainingWorker
workers = int(os.environ.get("BILLING_WORKERS") or 2)
# Most of them wait for Stripe when Stripe is slow; an idle one costs next to nothing.
threads = int(os.environ.get("BILLING_THREADS") or 64)
# Longer than the gateway's idle time of 20 s, else it reuses a connection we just closed.
keepalive = 30
timeout = 60
graceful_timeout = 30
# Not used, and two instances on one machine would compete for its path.
control_socket_disable = True
# The heartbeat file must not block on a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": os.environ.get("LOG_LEVEL") or "INFO", "handlers": ["stderr"]},
    "formatters": {"json": {"()": "config.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {
        "gunicorn.error": {"handlers": [], "propagate": True},
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
    },
}


def when_ready(server: Any) -> None:
    """Drain on SIGTERM: the gateway takes this replica out before it stops."""
    draining.drain_on_sigterm(server, seconds=float(os.environ.get("DRAIN_SECONDS") or 0))


def on_exit(server: Any) -> None:
    """Leave no metrics behind: counters of another run would be added to the next one's."""
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)


def post_worker_init(worker: Any) -> None:
    """Start what each process needs once it is forked and the application is loaded."""
    from identity.bearer import key_fetcher  # noqa: PLC0415 - Django is not set up any earlier
    from users.watch import start_watching  # noqa: PLC0415 - as above

    key_fetcher()
    start_watching()


def child_exit(server: Any, worker: Any) -> None:
    """Forget a dead worker's gauges."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - as above

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # untyped in the library

"""Gunicorn's configuration: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
from pathlib import Path

bind = os.environ.get("BILLING_BIND") or f"0.0.0.0:{os.environ.get('BILLING_PORT') or '8002'}"
worker_class = "gthread"
workers = int(os.environ.get("BILLING_WORKERS") or 2)
threads = int(os.environ.get("BILLING_THREADS") or 4)
# Longer than the gateway's idle time of 20 s, else it reuses a connection we just closed.
keepalive = 30
timeout = 60
graceful_timeout = 30
max_requests = 0
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - the heartbeat file must not block on a disk

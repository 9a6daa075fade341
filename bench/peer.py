"""Start the peer project as its users would serve it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.postgres import Postgres
from bench.processes import inherited_environment, run, server
from bench.rounds import Contender
from bench.setting import PASSWORD, ROOT, RSA_BITS, THREADS, USERS, WEBHOOK_SECRET, WORKERS
from dev.processes.ports import free_port

WEBHOOK_PATH = "/stripe/webhook/00000000-0000-0000-0000-000000000001/"

WebhookMode = Literal["default", "enqueue"]


@contextmanager
def peer(
    database: Postgres,
    folder: Path,
    *,
    webhooks: WebhookMode = "enqueue",
    stripe_api_base: str = "",
) -> Iterator[Contender]:
    """Serve the peer project with gunicorn, two gthread workers of four threads.

    Args:
        database: The server to make its database in.
        folder: Where its log goes.
        webhooks: dj-stripe's default, the work within the request, or its callback, which leaves
            the work for later.
        stripe_api_base: Where dj-stripe fetches objects.
    """
    name = f"peer_{webhooks}"
    env = _environment(database, name=name) | _keys()
    env |= {"PEER_WEBHOOK_MODE": webhooks, "PEER_STRIPE_API_BASE": stripe_api_base}
    database.create_database(name)
    run(
        [sys.executable, "-m", "bench.peers.seed", str(USERS), PASSWORD],
        cwd=ROOT,
        env=env,
    )
    port = free_port()
    with server(_gunicorn(port), cwd=ROOT, env=env, port=port, log=folder / f"{name}.log") as pid:
        yield Contender(port=port, processes=(pid, database.pid))


def _environment(database: Postgres, *, name: str) -> dict[str, str]:
    return inherited_environment() | {
        "PEER_DATABASE": name,
        "PEER_DATABASE_PORT": str(database.port),
        "PEER_DATABASE_PASSWORD": database.password,
        "PEER_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def _keys() -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {"PEER_SIGNING_KEY": private.decode(), "PEER_VERIFYING_KEY": public.decode()}


def _gunicorn(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "bench.peers.wsgi"),
        *("--worker-class", "gthread", "--workers", str(WORKERS), "--threads", str(THREADS)),
        *("--keep-alive", "75", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"),
    ]

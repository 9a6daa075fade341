"""What both contenders are given alike."""

from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
THREADS = 4
USERS = 40
RSA_BITS = 2048
PASSWORD = "a-long-benchmark-passphrase"
# The one version the sandbox answers in; dj-stripe's own SDK is a little older.
STRIPE_VERSION = "2026-10-28.endive"
WEBHOOK_SECRET = "whsec_bench_secret"


class Argon2Cost(TypedDict):
    time_cost: int
    memory_cost: int
    parallelism: int


ARGON2 = Argon2Cost(time_cost=2, memory_cost=19456, parallelism=1)

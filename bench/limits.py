"""What the machine allows: the cryptography of a request alone, in as many processes.

Run as `python -m bench.limits OPERATION SECONDS`; prints operations and CPU seconds as JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable

from argon2 import PasswordHasher
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench.rounds import Sample, Turn
from bench.setting import ARGON2, PASSWORD, ROOT, RSA_BITS, WORKERS


def refresh_cryptography() -> Callable[[], None]:
    """Make the least a refresh must compute: verify one token, sign two."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    public, pad, digest = key.public_key(), padding.PKCS1v15(), hashes.SHA256()
    message = b"x" * 600
    signature = key.sign(message, pad, digest)

    def work() -> None:
        public.verify(signature, message, pad, digest)
        key.sign(message, pad, digest)
        key.sign(message, pad, digest)

    return work


def password_hash() -> Callable[[], None]:
    """Make the least a log-in must compute: one argon2id hash."""
    hasher = PasswordHasher(**ARGON2)
    encoded = hasher.hash(PASSWORD)

    def work() -> None:
        hasher.verify(encoded, PASSWORD)

    return work


OPERATIONS = {"refresh": refresh_cryptography, "password": password_hash}


def limit(operation: str) -> Turn:
    """Make a turn that does nothing but an operation, in as many processes as there are workers."""

    def turn(seconds: float) -> Sample:
        command = [sys.executable, "-m", "bench.limits", operation, str(seconds)]
        processes = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(WORKERS)
        ]
        results = [json.loads(process.communicate()[0]) for process in processes]
        done = sum(result["operations"] for result in results)
        each = seconds * WORKERS / done
        return Sample(
            requests_per_second=sum(result["operations"] / result["seconds"] for result in results),
            cpu_seconds_per_request=sum(result["cpu_seconds"] for result in results) / done,
            mean_seconds=each,
            p50_seconds=each,
            p95_seconds=each,
            p99_seconds=each,
        )

    return turn


def _measure(work: Callable[[], None], *, seconds: float) -> dict[str, float]:
    started, cpu_started, operations = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < started + seconds:
        work()
        operations += 1
    return {
        "operations": operations,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(OPERATIONS[sys.argv[1]](), seconds=float(sys.argv[2]))))

"""Times billing-service's verifier against one bare PyJWT decode, inside its own interpreter.

Run from billing-service with its interpreter: `python verification.py TOKEN ROUNDS`. Prints the CPU
seconds of each round as JSON.
"""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable

import jwt

REPETITIONS = 3000


def main(token: str, rounds: int) -> None:
    """Interleave both and print what each round took."""
    sys.path.insert(0, os.getcwd())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from identity.bearer import authenticate

    authorization, decode = f"JWT {token}", _bare_decode(token)
    taken: dict[str, list[float]] = {"verifier": [], "pyjwt": []}
    for _ in range(rounds):
        taken["verifier"].append(_cpu_seconds(lambda: authenticate(authorization)))
        taken["pyjwt"].append(_cpu_seconds(decode))
    print(json.dumps(taken))


def _bare_decode(token: str) -> Callable[[], object]:
    address = os.environ["AUTH_INTERNAL_URL"] + "/.well-known/jwks.json"
    with urllib.request.urlopen(address) as answer:  # noqa: S310 # our own server's address
        keys = jwt.PyJWKSet.from_dict(json.load(answer))
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    issuer = os.environ["PUBLIC_URL"]
    return lambda: jwt.decode(
        token, key, algorithms=["RS256"], issuer=issuer, audience="billing-service"
    )


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    for _ in range(REPETITIONS):
        work()
    return time.process_time() - started


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

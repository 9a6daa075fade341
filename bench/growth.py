"""How the cost of the hot requests grows with what is stored."""

import random
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bench.billing import CLIENTS, OUR_WEBHOOKS, delivering
from bench.calls import client
from bench.generator import Scale, fill, user_id
from bench.load import Clients, Script, drive, once, repeat, request_bytes
from bench.ours import (
    Environments,
    auth_service,
    billing_service,
    environments,
    with_another_billing,
)
from bench.plans import plans_of
from bench.postgres import postgres
from bench.results import Findings
from bench.rounds import Contender, Pace, Report, compare, interleave, p95
from bench.stripe_events import EventTemplate, deliveries, of_new_customers

SMALL = Scale(subscriptions=1_000, events=1_000)
LARGE = Scale(subscriptions=1_000_000, events=10_000_000)
QUICK = Scale(subscriptions=50_000, events=200_000)
READERS = 2_000


def measure(*, pace: Pace, report: Report) -> Findings:
    """Run the growth suite: two billing-services side by side, one with far more rows.

    Args:
        pace: Rounds and their length; a quick one stores a fraction.
        report: Receives sentences on the progress.
    """
    large = QUICK if pace.quick else LARGE
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        database = stack.enter_context(postgres())
        few = environments(database, folder)
        many = with_another_billing(few, database, name="billing_grown")
        stack.enter_context(auth_service(database, folder, few, users=0))
        servers = []
        for environment, scale in ((few, SMALL), (many, large)):
            report(f"storing {scale.subscriptions:,} subscriptions, {scale.events:,} events")
            name = environment.billing_database
            serving = billing_service(
                database,
                folder,
                environment,
                fill=partial(fill, database, name, scale),
            )
            servers.append(stack.enter_context(serving))
        signer = TokenSigner(few, folder / "keys")
        readers = [signer.readers(scale) for scale in (SMALL, large)]
        ratios = _compare(servers, readers, pace=pace, report=report)
        plans = plans_of(database, "billing_grown", lambda: _each_once(servers[1], readers[1]))
    return Findings(pace.rounds, ratios, [_plans_remark(plans, large)])


class TokenSigner:
    """Signs access tokens of made-up users with the key of the auth-service of this run.

    Logging a thousand users in would take longer than everything else.
    """

    def __init__(self, environment: Environments, keys: Path) -> None:
        with client(environment.auth_port) as auth:
            self._kid = auth.get("/.well-known/jwks.json").json()["keys"][0]["kid"]
        self._key: Any = load_pem_private_key((keys / f"{self._kid}.pem").read_bytes(), None)
        self._issuer = environment.auth["PUBLIC_URL"]

    def readers(self, scale: Scale) -> list[bytes]:
        """Return status requests of users picked from all over a database."""
        numbers = random.Random(0).choices(range(1, scale.subscriptions + 1), k=READERS)  # noqa: S311 # a sample
        return [self._status(user_id(number)) for number in numbers]

    def _status(self, subject: str) -> bytes:
        now = int(time.time())
        claims = {
            "token_type": "access",
            "exp": now + 3600,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "id": subject,
            "sub": subject,
            "iss": self._issuer,
            "aud": ["auth-service", "billing-service"],
            "app_name": "Stripe Assignment",
            "auth_epoch": 1,
        }
        headers = {"kid": self._kid, "typ": "at+jwt"}
        token = jwt.encode(claims, self._key, algorithm="RS256", headers=headers)
        return request_bytes(
            "GET", "/api/subscriptions/status", headers={"Authorization": f"JWT {token}"}
        )


def _compare(
    servers: Sequence[Contender],
    readers: Sequence[Sequence[bytes]],
    *,
    pace: Pace,
    report: Report,
) -> dict[str, Any]:
    template = made_up_event()
    few, many = servers
    status = interleave(
        "status",
        {
            "few": few.turn(lambda: [Clients("status", _shares(readers[0]))]),
            "many": many.turn(lambda: [Clients("status", _shares(readers[1]))]),
        },
        pace=pace,
        report=report,
    )
    ingest = interleave(
        "webhook ingest",
        {
            "few": few.turn(lambda: delivering(OUR_WEBHOOKS, of_new_customers(template))),
            "many": many.turn(lambda: delivering(OUR_WEBHOOKS, of_new_customers(template))),
        },
        pace=pace,
        report=report,
    )
    return {
        "growth-status": compare(status["many"], status["few"], p95),
        "growth-ingest": compare(ingest["many"], ingest["few"], p95),
    }


def _shares(requests: Sequence[bytes]) -> list[Script]:
    return [repeat(requests[number::CLIENTS]) for number in range(CLIENTS)]


def made_up_event() -> EventTemplate:
    """Return an event about as large as Stripe's, for an unknown customer."""
    subscription = {
        "id": "sub_bench",
        "object": "subscription",
        "customer": "cus_placeholder",
        "status": "active",
        "items": {"object": "list", "data": [{"id": "si_bench", "metadata": {"x": "y" * 2000}}]},
    }
    return EventTemplate(subscription)


def _each_once(server: Contender, readers: Sequence[bytes]) -> None:
    delivery = next(deliveries(OUR_WEBHOOKS, of_new_customers(made_up_event())))
    for request in (readers[0], delivery):
        drive(server.port, [Clients("once", [once([request])])], seconds=60)


def _plans_remark(plans: Sequence[str], scale: Scale) -> str:
    listed = "\n\n".join(plans)
    return (
        f"With {scale.subscriptions:,} subscriptions and {scale.events:,} events stored, "
        "PostgreSQL carries out the statements of one `status` and one webhook so:\n\n"
        f"```\n{listed}\n```"
    )

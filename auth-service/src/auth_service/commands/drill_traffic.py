"""Live traffic for a rotation drill: users who log in, refresh and use their tokens."""

import base64
import itertools
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException

from auth_service.commands.http import Answer, Client

# Log-ins and refreshes stay below the gateway's default of ten a second for one source.
_SHARES = {"obtain": 2, "refresh": 14, "verify": 84}
_SESSIONS = 16
_THREADS = 8
# Clocks may differ by so much before a token that expires on the way counts as rejected.
_MARGIN_SECONDS = 3


@dataclass(slots=True)
class Session:
    """What a user's client holds: the refresh token of its family and all access tokens so far."""

    refresh: str
    accesses: list[str] = field(default_factory=list)

    def usable_accesses(self) -> list[str]:
        """Drop what has expired; old tokens are kept on purpose until then."""
        self.accesses = [token for token in self.accesses if _seconds_left(token) > _MARGIN_SECONDS]
        return self.accesses


class Traffic:
    """Steady requests from several threads, and a tally of how they were answered.

    Args:
        auth: auth-service or the gateway.
        billing: billing-service or the gateway; None verifies at auth-service alone.
        username: An account that may log in.
        password: Its password.
        rps: Requests a second over all threads.
    """

    def __init__(
        self, *, auth: Client, billing: Client | None, username: str, password: str, rps: int
    ) -> None:
        self._auth = auth
        self._billing = billing
        self._credentials = {"username": username, "password": password}
        self._interval = 1 / rps
        self._sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._ticks = itertools.count()
        self._stopped = threading.Event()
        self._tally_lock = threading.Lock()
        self.tally: Counter[tuple[str, str]] = Counter()

    def log_in(self) -> Session | None:
        """Start a session; None where the answer was not 200, which the tally explains."""
        answer = self._count(
            "obtain", lambda: self._auth.post("/api/token/obtain", self._credentials)
        )
        return _session(answer)

    def refresh(self, session: Session) -> bool:
        """Refresh a session and say whether it lives on."""
        body = {"refresh": session.refresh}
        answer = self._count("refresh", lambda: self._auth.post("/api/token/refresh", body))
        renewed = _session(answer)
        if renewed is None:
            return False
        session.refresh = renewed.refresh
        session.accesses += renewed.accesses
        return True

    def start(self) -> list[threading.Thread]:
        """Log a pool of sessions in and begin the steady traffic."""
        for _ in range(_SESSIONS):
            session = self.log_in()
            if session:
                self._sessions.put(session)
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_THREADS)]
        self._began = time.monotonic()
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads: list[threading.Thread]) -> None:
        """End the traffic after the requests under way."""
        self._stopped.set()
        for thread in threads:
            thread.join()

    def count_of(self, outcome: str) -> int:
        """Add up one outcome over all kinds of request."""
        with self._tally_lock:
            return sum(n for (_, found), n in self.tally.items() if found == outcome)

    def _run(self) -> None:
        while not self._stopped.is_set():
            due = self._began + next(self._ticks) * self._interval
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            self._act(random.choices(list(_SHARES), weights=list(_SHARES.values()))[0])  # noqa: S311 # a mix of requests is no secret

    def _act(self, action: str) -> None:
        try:
            session = None if action == "obtain" else self._sessions.get(timeout=1)
        except queue.Empty:
            session = None
        if session is None:
            session = self.log_in()
        elif action == "refresh" or not session.usable_accesses():
            session = session if self.refresh(session) else None
        else:
            self._verify(random.choice(session.accesses))  # noqa: S311 # as above
        if session and self._sessions.qsize() < _SESSIONS:
            self._sessions.put(session)

    def _verify(self, access: str) -> None:
        bearer = {"Authorization": f"JWT {access}"}
        billing = self._billing
        if billing is None or random.random() < 0.2:  # noqa: S311, PLR2004 # a fifth, as above
            self._count(
                "verify at auth",
                lambda: self._auth.post("/api/token/verify", {"token": access}),
                shown=access,
            )
        else:
            self._count(
                "verify at billing",
                lambda: billing.get("/api/subscriptions/status", headers=bearer),
                shown=access,
            )

    def _count(
        self, kind: str, send: Callable[[], Answer], *, shown: str | None = None
    ) -> Answer | None:
        try:
            answer = send()
        except (OSError, HTTPException):
            answer = None
        if shown and _seconds_left(shown) <= 0:
            # It expired on the way, so whatever the answer is proves nothing.
            return answer
        with self._tally_lock:
            self.tally[kind, outcome_of(answer)] += 1
        return answer


def outcome_of(answer: Answer | None) -> str:
    """Name how a request ended: `accepted`, `rejected`, `throttled` or `failed`.

    A user without a subscription gets 404 from billing, after the token was accepted.
    """
    if answer is None:
        return "failed"
    if answer.status == 200 or answer.json().get("code") == "no_subscription":  # noqa: PLR2004 # RFC 9110
        return "accepted"
    return {401: "rejected", 403: "rejected", 429: "throttled"}.get(answer.status, "failed")


def _session(answer: Answer | None) -> Session | None:
    body = answer.json() if answer and outcome_of(answer) == "accepted" else {}
    refresh, access = body.get("refresh"), body.get("access")
    if isinstance(refresh, str) and isinstance(access, str):
        return Session(refresh=refresh, accesses=[access])
    return None


def _seconds_left(token: str) -> float:
    encoded = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return float(claims["exp"]) - time.time()

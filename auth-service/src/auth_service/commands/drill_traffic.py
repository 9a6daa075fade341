"""The traffic of a rotation drill: users who log in, refresh and use their tokens."""

import base64
import itertools
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

# In percent. At 50 requests a second, log-ins and refreshes stay below the ten a second that the
# gateway accepts from one address.
_SHARES = {"obtain": 2, "refresh": 14, "verify": 84}
_SESSIONS = 16
_THREADS = 8
# A token is not sent in the last seconds before it expires.
_MARGIN_SECONDS = 3


@dataclass(slots=True)
class Session:
    """The tokens of one client: the current refresh token and all access tokens so far."""

    refresh: str
    accesses: list[str] = field(default_factory=list)

    def usable_accesses(self) -> list[str]:
        """Return the access tokens that have not expired, also those of an earlier key."""
        self.accesses = [token for token in self.accesses if _seconds_left(token) > _MARGIN_SECONDS]
        return self.accesses


class Traffic:
    """Requests at a constant rate from several threads, and their outcomes.

    Args:
        auth: A client of auth-service or the gateway.
        billing: A client of billing-service or the gateway; None to use auth-service only.
        username: An active account.
        password: The account's password.
        rps: Requests a second over all threads.
    """

    def __init__(
        self,
        *,
        auth: httpx.Client,
        billing: httpx.Client | None,
        username: str,
        password: str,
        rps: int,
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
        """Start a session; None if the log-in failed, which `tally` counts."""
        response = self._count(
            "obtain", lambda: self._auth.post("/api/token/obtain", json=self._credentials)
        )
        return _session(response)

    def refresh(self, session: Session) -> bool:
        """Refresh a session; returns whether that succeeded."""
        body = {"refresh": session.refresh}
        response = self._count("refresh", lambda: self._auth.post("/api/token/refresh", json=body))
        renewed = _session(response)
        if renewed is None:
            return False
        session.refresh = renewed.refresh
        session.accesses += renewed.accesses
        return True

    def start(self) -> list[threading.Thread]:
        """Start some sessions, then the traffic."""
        for _ in range(_SESSIONS):
            session = self.log_in()
            if session:
                self._sessions.put(session)
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_THREADS)]
        self._started = time.monotonic()
        for thread in threads:
            thread.start()
        return threads

    def stop(self, threads: list[threading.Thread]) -> None:
        """Stop the traffic, and wait for the requests that were sent."""
        self._stopped.set()
        for thread in threads:
            thread.join()

    def count_of(self, outcome: str) -> int:
        """Return how many requests of all kinds had an outcome."""
        with self._tally_lock:
            return sum(n for (_, found), n in self.tally.items() if found == outcome)

    def _run(self) -> None:
        while not self._stopped.is_set():
            due = self._started + next(self._ticks) * self._interval
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
        elif session:
            self._log_out(session)

    def _log_out(self, session: Session) -> None:
        # Otherwise the account would reach its limit, which ends the sessions that only wait.
        with suppress(httpx.TransportError):
            self._auth.post("/api/token/revoke", json={"token": session.refresh})

    def _verify(self, access: str) -> None:
        bearer = {"Authorization": f"JWT {access}"}
        billing = self._billing
        if billing is None or random.random() < 0.2:  # noqa: S311, PLR2004 # a fifth, as above
            self._count(
                "verify at auth",
                lambda: self._auth.post("/api/token/verify", json={"token": access}),
                token=access,
            )
        else:
            self._count(
                "verify at billing",
                lambda: billing.get("/api/subscriptions/status", headers=bearer),
                token=access,
            )

    def _count(
        self, kind: str, send: Callable[[], httpx.Response], *, token: str | None = None
    ) -> httpx.Response | None:
        response: httpx.Response | None
        try:
            response = send()
        except httpx.TransportError:
            response = None
        if token and _seconds_left(token) <= 0:
            # The token expired on its way, so the outcome says nothing about the keys.
            return response
        with self._tally_lock:
            self.tally[kind, outcome_of(response)] += 1
        return response


def outcome_of(response: httpx.Response | None) -> str:
    """Return `accepted`, `rejected`, `throttled` or `failed`.

    A user without a subscription gets 404 from billing-service, after the token was accepted.
    """
    if response is None:
        return "failed"
    status = response.status_code
    if status == HTTPStatus.OK or _body(response).get("code") == "no_subscription":
        return "accepted"
    return {401: "rejected", 403: "rejected", 429: "throttled"}.get(status, "failed")


def _session(response: httpx.Response | None) -> Session | None:
    if response is None or outcome_of(response) != "accepted":
        return None
    body = _body(response)
    refresh, access = body.get("refresh"), body.get("access")
    if isinstance(refresh, str) and isinstance(access, str):
        return Session(refresh=refresh, accesses=[access])
    return None


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds_left(token: str) -> float:
    encoded = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return float(claims["exp"]) - time.time()

"""The ratios to reach, and a run's findings held against them."""

from dataclasses import dataclass
from typing import Literal

from bench.arithmetic import Ratio

Suite = Literal["tokens", "billing", "growth", "sandbox"]


@dataclass(frozen=True)
class Goal:
    """One line of the tables.

    `sense` says whether the ratio must be at least or at most the `bound`.
    """

    id: str
    suite: Suite
    what: str
    against: str
    sense: Literal["≥", "≤"]
    bound: float

    def is_reached(self, found: Ratio) -> bool:
        """Say whether the median of a run is on the right side of the bound."""
        return found.median >= self.bound if self.sense == "≥" else found.median <= self.bound

    def margin(self, value: float) -> float:
        """Return how far past the bound a ratio is: 1 on it, 2 twice as good, 0.5 half."""
        return value / self.bound if self.sense == "≥" else self.bound / value


_SIMPLEJWT = "simplejwt"
_ENQUEUE = "dj-stripe, enqueue only"
_DEFAULT = "dj-stripe, default"

GOALS = (
    Goal("refresh-8-rate", "tokens", "refresh, requests a second, 8 clients", _SIMPLEJWT, "≥", 3.5),
    Goal(
        "refresh-32-rate", "tokens", "refresh, requests a second, 32 clients", _SIMPLEJWT, "≥", 3.5
    ),
    Goal("refresh-8-cpu", "tokens", "refresh, CPU per request, 8 clients", _SIMPLEJWT, "≤", 0.30),
    Goal("refresh-32-cpu", "tokens", "refresh, CPU per request, 32 clients", _SIMPLEJWT, "≤", 0.30),
    Goal("refresh-8-p99", "tokens", "refresh, p99, 8 clients", _SIMPLEJWT, "≤", 0.5),
    Goal("refresh-32-p99", "tokens", "refresh, p99, 32 clients", _SIMPLEJWT, "≤", 0.5),
    Goal(
        *("refresh-limit", "tokens", "refresh, requests a second"),
        *("two signatures, one verification", "≥", 0.22),
    ),
    Goal("obtain-rate", "tokens", "obtain, requests a second", "simplejwt", "≥", 1.0),
    Goal("obtain-limit", "tokens", "obtain, requests a second", "argon2 alone", "≥", 0.75),
    Goal("storm-p99", "tokens", "refresh p99 while 16 clients log in", "simplejwt", "≤", 0.25),
    Goal("verify", "tokens", "verifying a token in billing-service", "one PyJWT decode", "≤", 1.3),
    Goal("jwks", "tokens", "JWKS, requests a second", "our refresh", "≥", 10),
    Goal("memory", "tokens", "worker memory after the runs", "before", "≤", 1.2),
    Goal("ingest-rate", "billing", "webhook ingest, requests a second", _ENQUEUE, "≥", 2.5),
    Goal("ingest-cpu", "billing", "webhook ingest, CPU per request", _ENQUEUE, "≤", 0.45),
    Goal("ingest-p99", "billing", "webhook ingest, p99", _ENQUEUE, "≤", 1.0),
    Goal("ingest-default", "billing", "webhook ingest, requests a second", _DEFAULT, "≥", 15),
    Goal("processed", "billing", "events a second, delivery to processed", _DEFAULT, "≥", 5),
    Goal(
        *("status-lookup", "billing", "status, requests a second"),
        *("DRF + simplejwt with look-up", "≥", 1.8),
    ),
    Goal(
        *("status-stateless", "billing", "status, requests a second"),
        *("DRF + simplejwt, no look-up", "≥", 1.3),
    ),
    Goal("fetches", "billing", "fetches in a burst of 5,000 events", "its 500 customers", "≤", 1.5),
    Goal("subscribe-calls", "billing", "Stripe calls of a subscribe, in sequence", "one", "≤", 3),
    Goal("subscribe-calls-known", "billing", "the same for a known customer", "one", "≤", 2),
    Goal(
        *("feed-look", "billing", "a look at the feed after 200,000 users were imported, CPU"),
        *("one millisecond", "≤", 50),
    ),
    Goal("subscribe-own", "billing", "subscribe's own time outside Stripe", "one status", "≤", 5),
    Goal(
        "growth-status", "growth", "status, p95, at 1 million subscriptions", "1 thousand", "≤", 1.3
    ),
    Goal(
        "growth-ingest",
        "growth",
        "webhook ingest, p95, at 10 million events",
        "1 thousand",
        "≤",
        1.3,
    ),
    Goal(
        *("sandbox-read", "sandbox", "a customer, CPU, at 100 thousand customers"),
        *("1 thousand", "≤", 1.5),
    ),
    Goal(
        *("sandbox-list", "sandbox", "a list of 100, CPU, at 100 thousand customers"),
        *("1 thousand", "≤", 1.5),
    ),
    Goal(
        *("sandbox-search", "sandbox", "a search, CPU, at 100 thousand customers"),
        *("1 thousand", "≤", 1.5),
    ),
    Goal("sandbox-subscribe", "sandbox", "a subscription, CPU", "reading a customer", "≤", 12),
)

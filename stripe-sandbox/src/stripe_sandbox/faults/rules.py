"""What can go wrong, for which requests and events, and how often."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random

REQUEST_EFFECTS = ("latency", "error", "timeout", "reset")
WEBHOOK_EFFECTS = ("drop", "duplicate", "delay", "reorder")
EFFECTS = REQUEST_EFFECTS + WEBHOOK_EFFECTS


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One misbehaviour and the requests or events it is for.

    Attributes:
        effect: One of `EFFECTS`.
        when: Whether a request's work is left undone (`before`) or done and
            stored (`after`) when the effect strikes.
        milliseconds: How long `latency`, `delay` and at most `reorder` take;
            for `timeout` how long the connection stays open, 0 for as long as
            the caller waits.
        status: What `error` answers.
        stored: Whether the idempotency key replays the `error`, as it replays
            a 500 of an endpoint that had begun to execute.
        copies: How often `duplicate` delivers each event in all.
        method: Request method, or `*`.
        path: Glob over the request path; `*` also matches slashes.
        events: Glob over the event type.
        skip: How many matches pass unharmed first.
        times: How many matches are struck after that; None for all.
        probability: Chance that a match is struck.
        seed: Starts the random numbers of `probability` and `reorder`.
    """

    effect: str
    when: str = "before"
    milliseconds: int = 0
    status: int = 500
    stored: bool = False
    copies: int = 2
    method: str = "*"
    path: str = "*"
    events: str = "*"
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Cause:
    """The API request that is being worked on, and the faults its header asked for."""

    method: str
    path: str
    faults: tuple[Fault, ...] = ()


@dataclass
class Rule:
    """A fault in force, and what it has met so far."""

    id: str
    fault: Fault
    matched: int = 0
    applied: int = 0
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.fault.seed)  # noqa: S311 -- repeatable on purpose, no secret

    def strikes(self) -> bool:
        """Count a match, and tell whether this one is struck."""
        fault = self.fault
        self.matched += 1
        if self.matched <= fault.skip or self.applied == fault.times:
            return False
        if self.random.random() >= fault.probability:
            return False
        self.applied += 1
        return True


class Faults:
    """The faults in force; they live as long as the process."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Rule]:
        return iter(list(self._rules.values()))

    def add(self, fault: Fault) -> Rule:
        """Put a fault in force."""
        self._made += 1
        rule = Rule(f"fault_{self._made}", fault)
        self._rules[rule.id] = rule
        return rule

    def remove(self, identifier: str) -> Rule | None:
        """Lift a fault; None if there is none with this id."""
        return self._rules.pop(identifier, None)

    def clear(self) -> None:
        """Lift every fault."""
        self._rules.clear()

    def for_request(self, cause: Cause) -> list[Fault]:
        """What happens to this request; counts it for every rule it matches."""
        asked = [fault for fault in cause.faults if fault.effect in REQUEST_EFFECTS]
        return asked + [
            rule.fault
            for rule in self
            if rule.fault.effect in REQUEST_EFFECTS
            and _is_for(rule.fault, cause)
            and rule.strikes()
        ]

    def delivery_delays(self, event_type: str, cause: Cause | None) -> list[float]:
        """When to deliver an event: one delay in seconds per copy, none if it is dropped.

        Args:
            event_type: The event's `type`.
            cause: The request that caused it; None for what time alone caused.
        """
        delays = [0.0]
        for rule in self._for_event(event_type, cause):
            delays = _disturbed(delays, rule)
        return delays

    def _for_event(self, event_type: str, cause: Cause | None) -> Iterator[Rule]:
        for fault in cause.faults if cause else ():
            if fault.effect in WEBHOOK_EFFECTS and fnmatchcase(event_type, fault.events):
                yield Rule("header", fault)
        for rule in self:
            fault = rule.fault
            if fault.effect not in WEBHOOK_EFFECTS or not _is_for(fault, cause):
                continue
            if fnmatchcase(event_type, fault.events) and rule.strikes():
                yield rule


def _is_for(fault: Fault, cause: Cause | None) -> bool:
    if cause is None:
        return fault.method == "*" and fault.path == "*"
    return fault.method in {"*", cause.method} and fnmatchcase(cause.path, fault.path)


def _disturbed(delays: list[float], rule: Rule) -> list[float]:
    fault, seconds = rule.fault, rule.fault.milliseconds / 1000
    if fault.effect == "drop":
        return []
    if fault.effect == "duplicate":
        return delays * fault.copies
    if fault.effect == "delay":
        return [delay + seconds for delay in delays]
    return [delay + rule.random.uniform(0, seconds) for delay in delays]

"""Reports which calls of the pinned SDK the sandbox answers, and which it does not."""

from collections import defaultdict

from stripe_sandbox import resources
from stripe_sandbox.api.registry import HANDLERS
from stripe_sandbox.sdk.endpoints import Endpoint, endpoints
from stripe_sandbox.sdk.source import api_version, sdk_version


def report() -> str:
    """The report as text: covered families first, then what is missing."""
    resources.load()
    families: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints().values():
        families[endpoint.name.rpartition(".")[0]].append(endpoint)
    covered = {name: calls for name, calls in families.items() if _count(calls)}
    lines = [
        f"stripe {sdk_version()}, API {api_version()}",
        f"{len(HANDLERS)} of {len(endpoints())} calls are covered.",
        "",
        "Covered families",
        *(_family(name, covered[name]) for name in sorted(covered)),
        "",
        "Not covered at all; such a call is answered 501 with code sandbox_not_covered",
        *_wrapped(sorted(set(families) - set(covered))),
    ]
    return "\n".join(lines) + "\n"


def _count(calls: list[Endpoint]) -> int:
    return sum(call.name in HANDLERS for call in calls)


def _family(name: str, calls: list[Endpoint]) -> str:
    missing = [call.name.rpartition(".")[2] for call in calls if call.name not in HANDLERS]
    note = f"  without {', '.join(missing)}" if missing else ""
    return f"  {name:<36} {_count(calls):>2} of {len(calls):>2}{note}"


def _wrapped(names: list[str]) -> list[str]:
    return [f"  {', '.join(names[i : i + 4])}" for i in range(0, len(names), 4)]

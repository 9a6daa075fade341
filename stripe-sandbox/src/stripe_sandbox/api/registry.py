"""Binds functions to the SDK's calls, due actions and includable fields by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.sdk.request_contract import Params
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.kinds import Kind
from stripe_sandbox.storage.store import Work

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Call:
    """One API request on its way through a handler."""

    work: Work
    params: Params
    ids: tuple[str, ...]
    path: str
    settings: Settings
    # Fields of the answer that are shown once and never stored to be shown again.
    extra: Json = field(default_factory=dict)
    # The date of the API version that the answer is in.
    version: str = ""

    @property
    def id(self) -> str:
        """The id in the path, where there is one."""
        return self.ids[0]


Handler = Callable[[Call], Thing]
Due = Callable[[Work, Any], None]
Include = Callable[[Work, Json], Any]
Present = Callable[[Work, Json], Json]

HANDLERS: dict[str, Handler] = {}
DUE: dict[str, Due] = {}
INCLUDES: dict[tuple[str, str], Include] = {}
PRESENTERS: dict[str, Present] = {}


def handles(name: str) -> Callable[[F], F]:
    """Answer the SDK's call of this name, such as `customers.create`."""
    return lambda function: _enter(HANDLERS, name, function)


def due(action: str) -> Callable[[F], F]:
    """Do this to an object when a scheduled action falls due."""
    return lambda function: _enter(DUE, action, function)


def includes(object_name: str, name: str) -> Callable[[F], F]:
    """Answer a field that is only there when a caller expands it."""
    return lambda function: _enter(INCLUDES, (object_name, name), function)


def presents(object_name: str) -> Callable[[F], F]:
    """Turn a stored object into what callers see of it."""
    return lambda function: _enter(PRESENTERS, object_name, function)


def _enter(table: dict[Any, Any], key: Any, function: F) -> F:
    if key in table:
        raise LookupError(f"{key} has two functions")
    table[key] = function
    return function


def retrieves(name: str, kind: Kind[Any], *, param: str = "id") -> None:
    """Answer a call that reads one object by the id in its path.

    Args:
        name: The SDK's call, such as `prices.retrieve`.
        kind: What is read.
        param: The parameter that a 404 names.
    """
    HANDLERS[name] = lambda call: call.work.get(kind, call.id, param=param)

"""Binds functions to the SDK's calls, due actions and includable fields by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.sdk.request_contract import Params
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]


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

    @property
    def id(self) -> str:
        """The id in the path, where there is one."""
        return self.ids[0]


Handler = Callable[[Call], Json]
Due = Callable[[Work, Json], None]
Include = Callable[[Work, Json], Any]
Present = Callable[[Work, Json], Json]

HANDLERS: dict[str, Handler] = {}
DUE: dict[str, Due] = {}
INCLUDES: dict[tuple[str, str], Include] = {}
PRESENTERS: dict[str, Present] = {}


def handles(name: str) -> Callable[[Handler], Handler]:
    """Answer the SDK's call of this name, such as `customers.create`."""
    return lambda function: HANDLERS.setdefault(name, function)


def due(action: str) -> Callable[[Due], Due]:
    """Do this to an object when a scheduled action falls due."""
    return lambda function: DUE.setdefault(action, function)


def includes(object_name: str, name: str) -> Callable[[Include], Include]:
    """Answer a field that is only there when a caller expands it."""
    return lambda function: INCLUDES.setdefault((object_name, name), function)


def presents(object_name: str) -> Callable[[Present], Present]:
    """Turn a stored object into what callers see of it."""
    return lambda function: PRESENTERS.setdefault(object_name, function)

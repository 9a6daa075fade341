"""Remembers which of the SDK's calls the tests make."""

from typing import Any

from stripe_sandbox.api.registry import HANDLERS

driven: set[str] = set()


class Recorder:
    """Stands for `client.v1` and remembers which calls were made."""

    def __init__(self, service: Any, path: str = "") -> None:
        self._service = service
        self._path = path

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._service, name)
        path = f"{self._path}{name}"
        if path in HANDLERS:
            driven.add(path)
            return found
        return Recorder(found, f"{path}.")

"""Finds the handler for a method and path among the SDK's endpoints."""

from dataclasses import dataclass

from stripe_sandbox.api.registry import HANDLERS, Handler
from stripe_sandbox.errors import NotCovered, UnknownRoute
from stripe_sandbox.sdk.endpoints import Endpoint, endpoint, endpoints

Segments = tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """An endpoint of the SDK and the function that answers it."""

    endpoint: Endpoint
    handler: Handler


class Routes:
    """The covered endpoints by verb and number of path segments, exact ones first."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], list[tuple[Segments, Route]]] = {}
        for name, handler in HANDLERS.items():
            found = endpoint(name)
            segments = tuple(found.path.strip("/").split("/"))
            routes = self._routes.setdefault((found.verb, len(segments)), [])
            routes.append((segments, Route(found, handler)))
        for routes in self._routes.values():
            routes.sort(key=lambda entry: sum(s.startswith("{") for s in entry[0]))

    def find(self, verb: str, path: str) -> tuple[Route, Segments]:
        """The route for a request, and the ids in its path.

        Raises:
            NotCovered: Stripe has this endpoint, the sandbox has not.
            UnknownRoute: Stripe has no such endpoint.
        """
        segments = tuple(path.strip("/").split("/"))
        for pattern, route in self._routes.get((verb, len(segments)), []):
            ids = _match(pattern, segments)
            if ids is not None:
                return route, ids
        raise _missing(verb, path, segments)


def _match(pattern: Segments, segments: Segments) -> Segments | None:
    ids = []
    for expected, actual in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            ids.append(actual)
        elif expected != actual:
            return None
    return tuple(ids)


def _missing(verb: str, path: str, segments: Segments) -> NotCovered | UnknownRoute:
    for known in endpoints().values():
        pattern = tuple(known.path.strip("/").split("/"))
        same = known.verb == verb and len(pattern) == len(segments)
        if same and _match(pattern, segments) is not None:
            return NotCovered(f"{verb} {known.path} (`{known.name}`)")
    if path.startswith("/v2/"):
        return NotCovered(f"{verb} {path}")
    return UnknownRoute(
        f"Unrecognized request URL ({verb}: {path}). If you are trying to list objects, remove "
        "the trailing slash. If you are trying to retrieve an object, make sure you passed a "
        "valid (non-empty) identifier in your code. Please see https://docs.stripe.com or we can "
        "help at https://support.stripe.com/."
    )

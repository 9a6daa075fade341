"""What the OpenAPI document leaves out."""

from typing import Any

Endpoint = tuple[str, str, str, Any]


def without_slash_twins(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Describe each call once, under its path without the trailing slash.

    Args:
        endpoints: Path, path pattern, method and view of everything that was found.
    """
    plain = {(path, method) for path, _, method, _ in endpoints if not path.endswith("/")}
    return [
        endpoint
        for endpoint in endpoints
        if not endpoint[0].endswith("/") or (endpoint[0].rstrip("/"), endpoint[2]) not in plain
    ]

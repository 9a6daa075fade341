"""The OpenAPI documents: one of the public API, one of the internal API."""

import json
import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

OPENAPI_URL = "/api/token/openapi.json"
INTERNAL_OPENAPI_URL = "/internal/openapi.json"
_REFERENCE = re.compile(r"#/components/schemas/([^\"]+)")
_PUBLIC_PREFIXES = ("/api/token/", "/.well-known/")


def install(app: FastAPI) -> None:
    """Serve both documents."""

    @app.get(INTERNAL_OPENAPI_URL, include_in_schema=False)
    async def internal_openapi() -> dict[str, Any]:
        return _document(app, is_public=False)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, is_public=True)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _document(app: FastAPI, *, is_public: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    document["paths"] = {
        path: _without_422(operations)
        for path, operations in document["paths"].items()
        if path.startswith(_PUBLIC_PREFIXES) == is_public
    }
    components = document["components"]
    components["schemas"] = _used(components["schemas"], by=document["paths"])
    schemes = {**components["securitySchemes"], "basicAuth": {"type": "http", "scheme": "basic"}}
    components["securitySchemes"] = {
        name: scheme for name, scheme in schemes.items() if (name == "jwtAuth") == is_public
    }
    return document


def _without_422(operations: dict[str, Any]) -> dict[str, Any]:
    # FastAPI announces a 422 for every body; ours is a 400 in our own shape.
    for operation in operations.values():
        operation["responses"].pop("422", None)
    return operations


def _used(schemas: dict[str, Any], *, by: dict[str, Any]) -> dict[str, Any]:
    used: dict[str, Any] = {}
    wanted = set(_REFERENCE.findall(json.dumps(by)))
    while wanted:
        name = wanted.pop()
        used[name] = schemas[name]
        wanted |= set(_REFERENCE.findall(json.dumps(schemas[name]))) - used.keys()
    return dict(sorted(used.items()))

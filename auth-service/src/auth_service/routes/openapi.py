"""The OpenAPI documents: one for the public API, one for the internal API."""

import json
import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

OPENAPI_URL = "/api/token/openapi.json"
INTERNAL_OPENAPI_URL = "/internal/openapi.json"
_REFERENCE = re.compile(r"#/components/schemas/([^\"]+)")
_PUBLIC_PREFIXES = ("/api/token/", "/api/account/", "/.well-known/")
_LICENSE = {"name": "MIT", "identifier": "MIT"}
_TAGS = {
    "token": "Log in, stay logged in, log out.",
    "account": "The caller's own account.",
    "second factor": "Codes of an app beside the password, and recovery codes.",
    "sessions": "Where the caller is logged in.",
    "self-service": "Sign up, verify or change an address, reset a password: what needs a mail.",
    "keys": "What other services need to verify tokens.",
    "internal": "For other services. The gateway does not route it.",
    "health": "For process supervisors and load balancers. The gateway does not route it.",
}


def install(app: FastAPI) -> None:
    """Serve the documents of an application that has all its routes."""

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
        title=app.title if is_public else f"{app.title}, internal API",
        version=app.version,
        description=app.description if is_public else _TAGS["internal"],
        routes=app.routes,
        # Relative to the document, so that Swagger UI works under every name of the gateway.
        servers=[{"url": "/"}],
    )
    document["info"]["license"] = _LICENSE
    document["paths"] = {
        path: _without_422(operations)
        for path, operations in document["paths"].items()
        if path.startswith(_PUBLIC_PREFIXES) == is_public
    }
    document["tags"] = _used_tags(document["paths"])
    components = document["components"]
    components["schemas"] = _used_schemas(components["schemas"], by=document["paths"])
    schemes = {**components["securitySchemes"], "basicAuth": {"type": "http", "scheme": "basic"}}
    components["securitySchemes"] = {
        name: scheme for name, scheme in schemes.items() if (name == "jwtAuth") == is_public
    }
    return document


def _without_422(operations: dict[str, Any]) -> dict[str, Any]:
    # FastAPI documents its own 422 for every body. We send a 400, and a 422 only where a route
    # documents it, which then has an example.
    for operation in operations.values():
        if "content" in operation["responses"].get("422", {}):
            content = operation["responses"]["422"]["content"]["application/json"]
            if "examples" not in content:
                del operation["responses"]["422"]
    return operations


def _used_tags(paths: dict[str, Any]) -> list[dict[str, str]]:
    used = {
        tag
        for operations in paths.values()
        for operation in operations.values()
        for tag in operation["tags"]
    }
    return [{"name": name, "description": text} for name, text in _TAGS.items() if name in used]


def _used_schemas(schemas: dict[str, Any], *, by: dict[str, Any]) -> dict[str, Any]:
    used: dict[str, Any] = {}
    missing = set(_REFERENCE.findall(json.dumps(by)))
    while missing:
        name = missing.pop()
        used[name] = schemas[name]
        missing |= set(_REFERENCE.findall(json.dumps(schemas[name]))) - used.keys()
    return dict(sorted(used.items()))

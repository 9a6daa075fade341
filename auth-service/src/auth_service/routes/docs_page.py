"""`/api/token/docs`: Swagger UI, from files that all services' API pages share."""

import html
import json
from pathlib import Path
from string import Template

from fastapi import APIRouter, FastAPI
from starlette.datastructures import QueryParams
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from auth_service import __version__
from auth_service.routes.openapi import OPENAPI_URL

DOCS_URL = "/api/token/docs"
ASSETS_URL = f"{DOCS_URL}/assets"


def install(app: FastAPI, *, heading: str) -> None:
    """Add the page, under its heading, and its assets to an application."""
    router = APIRouter(include_in_schema=False)
    page = Template(Path(__file__).with_suffix(".html").read_text()).substitute(
        title=html.escape(app.title),
        heading=html.escape(heading),
        assets=ASSETS_URL,
        version=__version__,
        schema_url=OPENAPI_URL,
        schemas=html.escape(json.dumps([{"name": "Tokens", "url": OPENAPI_URL}])),
    )

    @router.get(DOCS_URL)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})

    app.include_router(router)
    packages: list[str | tuple[str, str]] = [
        ("fastapi_swagger", "resources"),
        ("auth_service", "docs_assets"),
    ]
    app.mount(ASSETS_URL, _Assets(packages=packages), name="docs-assets")


class _Assets(StaticFiles):
    """Files that browsers keep for a year under `?v=` and this version, and else ask for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_versioned = QueryParams(scope["query_string"]).get("v") == __version__
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if is_versioned else "no-cache"
        )
        return response

"""`/api/token/docs`: Swagger UI from an installed package, so nothing leaves the machine."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

DOCS_URL = "/api/token/docs"
OPENAPI_URL = "/api/token/openapi.json"
_ASSETS_URL = f"{DOCS_URL}/assets"


def install(app: FastAPI, *, public_url: str) -> None:
    """Serve the page, its assets and a document that tells what the service really answers."""
    router = APIRouter(include_in_schema=False)

    @router.get(DOCS_URL)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=OPENAPI_URL,
            title=app.title,
            swagger_js_url=f"{_ASSETS_URL}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS_URL}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS_URL}/favicon-32x32.png",
            swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
        )

    app.include_router(router)
    assets = StaticFiles(packages=[("fastapi_swagger", "resources")])
    app.mount(_ASSETS_URL, assets, name="swagger-assets")

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, public_url=public_url)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


def _document(app: FastAPI, *, public_url: str) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        servers=[{"url": public_url}],
    )
    for path in document["paths"].values():
        for operation in path.values():
            # FastAPI announces a 422 for every body; ours is a 400 in our own shape.
            operation["responses"].pop("422", None)
    components = document["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"]["basicAuth"] = {"type": "http", "scheme": "basic"}
    return document

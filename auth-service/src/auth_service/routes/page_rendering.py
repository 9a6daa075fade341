"""Pages for people: plain HTML that needs no script, with headers that keep the token of a link."""

from functools import cache
from typing import Any

from fastapi import FastAPI
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from auth_service import __version__

ASSETS_URL = "/account/assets"
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cache-Control": "no-store",
    # The address of the page contains the token.
    "Referrer-Policy": "no-referrer",
}


def install_assets(app: FastAPI) -> None:
    """Serve the style sheet of the pages."""
    files = StaticFiles(packages=[("auth_service", "account_assets")])
    app.mount(ASSETS_URL, files, name="account-assets")


def render(
    template: str,
    *,
    heading: str,
    app_name: str,
    status: int = 200,
    retry_after_seconds: int | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a page.

    Args:
        template: A file of `routes/pages/`.
        heading: Also the title of the page.
        values: What the template reads.
    """
    page = (
        _environment()
        .get_template(template)
        .render(
            heading=heading, app_name=app_name, assets=ASSETS_URL, version=__version__, **values
        )
    )
    headers = dict(_HEADERS)
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds)
    return HTMLResponse(page, status_code=status, headers=headers)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("auth_service.routes", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

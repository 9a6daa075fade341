"""The addresses of the dashboard and of the pages Stripe would host."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from stripe_sandbox.pages import actions, dashboard, deliveries
from stripe_sandbox.pages.hosted import checkout, invoice, portal, threeds
from stripe_sandbox.pages.sections import SECTIONS
from stripe_sandbox.pages.site import PageFunction, Site, endpoint

_ASSETS = Path(__file__).parent / "assets"


def routes(site: Site) -> list[BaseRoute]:
    """Every page; none of them is below `/v1`."""

    def get(path: str, function: PageFunction) -> Route:
        return Route(path, endpoint(site, function), methods=["GET"])

    def post(path: str, function: PageFunction, *, refused: PageFunction | None = None) -> Route:
        return Route(path, endpoint(site, function, refused=refused), methods=["POST"])

    lists = [get(f"/{section.slug}", dashboard.listing(section)) for section in SECTIONS]
    details = [get(f"/{section.slug}/{{id}}", dashboard.detail) for section in SECTIONS]
    return [
        get("/", dashboard.overview),
        get("/search", dashboard.search),
        get("/deliveries", deliveries.listing),
        get("/objects/{id}", dashboard.detail),
        get("/faults", actions.faults),
        post("/faults", actions.strike),
        post("/faults/{id}/lift", actions.lift),
        post("/payments/{id}/authenticate", actions.authenticate),
        post("/clocks/{id}/advance", actions.advance),
        post("/events/{id}/resend", actions.resend),
        *lists,
        *details,
        get("/hosted/authenticate/{id}", threeds.show),
        post("/hosted/authenticate/{id}", threeds.finish),
        get("/hosted/invoice/{id}", invoice.show),
        post("/hosted/invoice/{id}/pay", invoice.pay, refused=invoice.show),
        get("/hosted/invoice/{id}/pdf", invoice.pdf),
        get("/hosted/checkout/{id}", checkout.show),
        post("/hosted/checkout/{id}", checkout.pay, refused=checkout.show),
        post("/hosted/checkout/{id}/change", checkout.change, refused=checkout.show),
        get("/hosted/portal/{id}", portal.show),
        post("/hosted/portal/{id}/cancel", portal.cancel, refused=portal.show),
        post("/hosted/portal/{id}/keep", portal.keep, refused=portal.show),
        post("/hosted/portal/{id}/plan", portal.change_plan, refused=portal.show),
        post("/hosted/portal/{id}/confirm", portal.confirm, refused=portal.show),
        post("/hosted/portal/{id}/details", portal.change_details, refused=portal.show),
        post("/hosted/portal/{id}/card", portal.change_card, refused=portal.show),
        Route("/test/{path:path}", _without_mode, methods=["GET"]),
        Route("/favicon.ico", _icon, methods=["GET"]),
        Mount("/assets", StaticFiles(directory=_ASSETS)),
    ]


async def _icon(_request: Request) -> RedirectResponse:
    """Browsers ask for it when they show an answer of the API."""
    return RedirectResponse("/assets/icon.svg", 308)


async def _without_mode(request: Request) -> RedirectResponse:
    """Stripe's dashboard puts test mode into the path; links made for it work here."""
    return RedirectResponse(f"/{request.path_params['path'].lstrip('/')}", 307)

"""Binds page functions to the sandbox: one unit of work per page, refusals as pages."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from stripe_sandbox.errors import StripeError
from stripe_sandbox.faults.rules import Faults
from stripe_sandbox.pages.templating import render
from stripe_sandbox.settings import Settings
from stripe_sandbox.storage.store import Store, Work
from stripe_sandbox.stripe_cli.sessions import Sessions

# A note travels as its name, so that no link can put words on a page.
NOTES = {
    "advanced": "The clock was advanced.",
    "authenticated": "Authentication completed.",
    "authentication_failed": "Authentication failed, as you asked.",
    "canceled": "The subscription is canceled.",
    "card_changed": "The new card is the default now.",
    "details_changed": "Your details were changed.",
    "kept": "The subscription continues.",
    "lifted": "The fault was lifted.",
    "paid": "The invoice was paid.",
    "plan_changed": "The plan was changed.",
    "resent": "The event is on its way again.",
    "struck": "The fault is in force.",
    "will_cancel": "The subscription ends with its current period.",
}


@dataclass(frozen=True)
class Site:
    """What the pages show and change."""

    store: Store
    settings: Settings
    faults: Faults
    sessions: Sessions


@dataclass(frozen=True)
class Visit:
    """One request for a page, with the form it sent."""

    site: Site
    work: Work
    request: Request
    form: dict[str, str]
    refusal: StripeError | None = None

    @property
    def id(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["id"])

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Answer a page."""
        status = self.refusal.status if self.refusal else status
        return page(template, status=status, visit=self, **values)

    def back(self, to: str, *, note: str) -> Response:
        """Answer a form: see a page again, so that a reload sends nothing twice.

        Args:
            to: The page to see.
            note: What to say on it, one of `NOTES`.
        """
        joint = "&" if "?" in to else "?"
        return RedirectResponse(f"{to}{joint}note={note}", 303)

    def to(self, address: str) -> Response:
        """Answer a form: go on at another page."""
        return RedirectResponse(address, 303)

    @property
    def note(self) -> str | None:
        """What the form that led here did."""
        return NOTES.get(self.request.query_params.get("note", ""))


class ForeignForm(StripeError):
    """The form was on a page of another site."""

    status = 403


PageFunction = Callable[[Visit], Response]


def endpoint(
    site: Site, function: PageFunction, *, refused: PageFunction | None = None
) -> Callable[[Request], Awaitable[Response]]:
    """A page function as Starlette calls it.

    Args:
        site: What the page shows and changes.
        function: Answers the page.
        refused: Answers instead when the function is refused something, with the
            refusal in its visit and whatever the function wrote rolled back.
    """

    def answer_within_work(request: Request, form: dict[str, str]) -> Response:
        _refuse_foreign(request)
        try:
            with site.store.work() as work:
                return function(Visit(site, work, request, form))
        except StripeError as refusal:
            if refused is None:
                raise
            with site.store.work() as work:
                return refused(Visit(site, work, request, form, refusal))

    async def answer(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", errors="replace")))
        try:
            return answer_within_work(request, form)
        except StripeError as refusal:
            return page("refused.html", status=refusal.status, message=refusal.message)

    return answer


def page(template: str, *, status: int = 200, **values: Any) -> Response:
    """A page that may load nothing but its own style sheet and icon."""
    return Response(
        render(template, **values),
        status,
        media_type="text/html",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
            "base-uri 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _refuse_foreign(request: Request) -> None:
    """Browsers say where a form stood; programs say nothing and are trusted."""
    if request.method in {"GET", "HEAD"}:
        return
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForeignForm("This form was sent from another site.")
    if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        raise ForeignForm("This form was sent from another site.")

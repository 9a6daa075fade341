"""The dashboard: overview, lists, one page per object, search."""

from collections.abc import Sequence
from functools import partial

from starlette.responses import RedirectResponse, Response

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import ResourceMissing
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.pages import authentication, deliveries, related
from stripe_sandbox.pages.facts import facts_of
from stripe_sandbox.pages.sections import BY_KIND, BY_SLUG, Section, href, title_of
from stripe_sandbox.pages.site import PageFunction, Visit
from stripe_sandbox.storage.kinds import CUSTOMER, EVENT, KINDS, SUBSCRIPTION, WEBHOOK_ENDPOINT
from stripe_sandbox.storage.store import Work

PAGE_LENGTH = 25


def overview(visit: Visit) -> Response:
    """Counts, intents that require action, and the latest events."""
    work = visit.work
    return visit.show(
        "overview.html",
        tiles=_tiles(work),
        waiting=[_waiting(work, intent) for intent in authentication.waiting(work, limit=5)],
        events=BY_SLUG["events"],
        latest=_presented(work, work.newest(EVENT, {}, limit=8)),
        subscriptions=BY_SLUG["subscriptions"],
        subscribed=_presented(work, work.newest(SUBSCRIPTION, {}, limit=5)),
        endpoints=work.newest(WEBHOOK_ENDPOINT, {}, limit=5),
        listeners=len(visit.site.sessions),
        href=href,
    )


def _tiles(work: Work) -> list[tuple[str, str, int, str]]:
    failing = deliveries.count(work, "failed")
    return [
        ("Customers", "/customers", _count(work, "customer"), ""),
        (
            "Active subscriptions",
            "/subscriptions?status=active",
            _count(work, "subscription", status="active"),
            "",
        ),
        ("Open invoices", "/invoices?status=open", _count(work, "invoice", status="open"), ""),
        ("Failed deliveries", "/deliveries?state=failed", failing, "bad" if failing else ""),
    ]


def _count(work: Work, kind: str, **where: str) -> int:
    return work.count(KINDS[kind], where)


def _waiting(work: Work, intent: Thing) -> Json:
    return {"intent": intent, "title": title_of(work, intent), "facts": facts_of(work, intent)}


def listing(section: Section) -> PageFunction:
    """The list of a section."""
    return partial(_listing, section)


def _listing(section: Section, visit: Visit) -> Response:
    work, query = visit.work, visit.request.query_params
    status = query.get("status", "")
    where = {"status": status} if status in section.statuses else {}
    older_than = work.position(query.get("before", ""))
    found = work.newest(KINDS[section.kind], where, limit=PAGE_LENGTH + 1, before=older_than)
    return visit.show(
        "list.html",
        section=section,
        chosen=status,
        rows=_presented(work, found[:PAGE_LENGTH]),
        older=found[PAGE_LENGTH - 1]["id"] if len(found) > PAGE_LENGTH else None,
        href=href,
    )


def _presented(work: Work, things: Sequence[Thing]) -> list[Json]:
    return [present(work, thing) for thing in things]


def detail(visit: Visit) -> Response:
    """The page of one object of any kind."""
    work = visit.work
    stored = work.find_any(visit.id)
    if stored is None:
        raise ResourceMissing("object", visit.id, param="id")
    thing = present(work, stored)
    if thing.get("deleted"):
        return visit.show("deleted.html", thing=thing, noun=KINDS[thing["object"]].noun)
    return visit.show(
        "detail.html",
        thing=thing,
        title=title_of(work, thing),
        section=BY_KIND.get(thing["object"]),
        noun=KINDS[thing["object"]].noun,
        facts=facts_of(work, thing),
        waiting=[_waiting(work, i) for i in authentication.waiting_for(work, stored)],
        lists=[_listed(work, listed) for listed in related.lists_of(work, stored)],
        events=_presented(work, related.events_about(work, stored)),
        event_columns=BY_SLUG["events"].columns,
        deliveries=deliveries.of_event(work, thing["id"]) if thing["object"] == "event" else [],
        href=href,
    )


def _listed(work: Work, listed: related.Listed) -> related.Listed:
    return related.Listed(listed.title, listed.columns, _presented(work, listed.things))


def search(visit: Visit) -> Response:
    """Go to the object with an id, or to the customer with an email address."""
    wanted = visit.request.query_params.get("q", "").strip()
    found: Thing | None = visit.work.find_any(wanted)
    if found is None:
        named = visit.work.newest(CUSTOMER, {"email": wanted}, limit=1)
        found = named[0] if named else None
    if found is None:
        return visit.show("not_found.html", wanted=wanted, status=404)
    return RedirectResponse(href(found), 303)

"""The dashboard's buttons."""

from datetime import UTC, datetime

from starlette.responses import Response

from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidParameter
from stripe_sandbox.faults.parsing import fault_from
from stripe_sandbox.faults.rules import EFFECTS
from stripe_sandbox.pages.api import perform
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.resources import events
from stripe_sandbox.rules import authentication
from stripe_sandbox.storage.kinds import EVENT


def authenticate(visit: Visit) -> Response:
    """Complete or fail 3-D Secure in the customer's place."""
    succeed = visit.form.get("outcome") == "complete"
    authentication.complete_3ds(visit.work, visit.id, succeed=succeed)
    note = "authenticated" if succeed else "authentication_failed"
    return visit.back(_local(visit, f"/objects/{visit.id}"), note=note)


def advance(visit: Visit) -> Response:
    """Move a test clock forward, and do everything that falls due on the way."""
    now = visit.work.now(visit.id)
    perform(
        visit, "test_helpers.test_clocks.advance", visit.id, frozen_time=str(_until(visit, now))
    )
    return visit.back(f"/clocks/{visit.id}", note="advanced")


def _until(visit: Visit, now: int) -> int:
    try:
        if "by" in visit.form:
            return now + int(visit.form["by"])
        at = datetime.fromisoformat(visit.form.get("to", ""))
    except ValueError:
        raise InvalidParameter("Choose a date and a time to advance to.", param="to") from None
    return int(at.replace(tzinfo=UTC).timestamp())


def resend(visit: Visit) -> Response:
    """Deliver an event once more: to one endpoint, or to all that listen and the CLI."""
    endpoint, sessions = visit.form.get("endpoint"), visit.site.sessions
    event = visit.work.get(EVENT, visit.id)
    if endpoint or not sessions or events.listeners(visit.work, event):
        events.resend(visit.work, visit.id, endpoint)
    if not endpoint:
        sessions.push([present(visit.work, event)])
    return visit.back(_local(visit, f"/events/{visit.id}"), note="resent")


def faults(visit: Visit) -> Response:
    """The faults in force, and a form for another one."""
    return visit.show("faults.html", rules=list(visit.site.faults), effects=EFFECTS)


def strike(visit: Visit) -> Response:
    """Put a fault in force."""
    visit.site.faults.add(fault_from(visit.form))
    return visit.back("/faults", note="struck")


def lift(visit: Visit) -> Response:
    """Lift a fault; one that is already gone is no mistake."""
    visit.site.faults.remove(visit.id)
    return visit.back("/faults", note="lifted")


def _local(visit: Visit, default: str) -> str:
    """The page the button was on; never one of another site."""
    back = visit.form.get("back", default)
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) else default

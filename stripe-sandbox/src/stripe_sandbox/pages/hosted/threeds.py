"""The customer's bank: 3-D Secure for payments and card setups, completed or failed."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from stripe_sandbox.pages import authentication
from stripe_sandbox.pages.facts import title_of
from stripe_sandbox.pages.hosted import checkout
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.rules.authentication import finish as finish_authentication
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]


def show(visit: Visit) -> Response:
    """Ask the customer, or say how it ended."""
    work = visit.work
    intent = authentication.intent_with(work, visit.id)
    method = work.find(intent["payment_method"] or "")
    return visit.show(
        "hosted/authenticate.html",
        intent=intent,
        title=title_of(work, intent),
        method=method,
        invoice=_invoice_of(work, intent),
    )


def finish(visit: Visit) -> Response:
    """The customer proved who they are, or could not; back to where they came from."""
    intent = authentication.intent_with(visit.work, visit.id)
    action = intent["next_action"] or {}
    bought = visit.work.all("checkout.session", _waiting=intent["id"])
    succeed = visit.form.get("outcome") == "complete"
    finish_authentication(visit.work, visit.id, succeed=succeed)
    return_url = (action.get("redirect_to_url") or {}).get("return_url")
    if bought:
        return visit.to(checkout.after(bought[0]))
    if return_url:
        return visit.to(_with_result(return_url, intent))
    return visit.to(f"/hosted/authenticate/{visit.id}")


def _with_result(return_url: str, intent: Json) -> str:
    """Source: https://docs.stripe.com/payments/3d-secure/authentication-flow#return-url."""
    succeeded = intent["status"] in {"succeeded", "requires_capture", "processing"}
    told = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    joint = "&" if urlsplit(return_url).query else "?"
    return f"{return_url}{joint}{urlencode(told)}"


def _invoice_of(work: Work, intent: Json) -> Json | None:
    found = work.find(str(intent.get("_invoice") or ""))
    return found if found and found["object"] == "invoice" else None

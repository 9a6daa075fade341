"""The 3-D Secure page of the customer's bank, for payments and card setups."""

from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from stripe_sandbox.objects.invoices import Invoice
from stripe_sandbox.objects.payments import PaymentIntent, SetupIntent
from stripe_sandbox.pages.hosted import checkout
from stripe_sandbox.pages.sections import title_of
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.rules import checkout as sessions
from stripe_sandbox.rules import invoices
from stripe_sandbox.rules.authentication import complete_3ds, intent_with
from stripe_sandbox.storage.store import Work


def show(visit: Visit) -> Response:
    """Ask the customer to authenticate, or show the outcome."""
    work = visit.work
    intent = intent_with(work, visit.id)
    method = work.find_any(intent["payment_method"])
    return visit.show(
        "hosted/authenticate.html",
        intent=intent,
        title=title_of(work, intent),
        method=method,
        invoice=_invoice_of(work, intent),
    )


def finish(visit: Visit) -> Response:
    """Complete or fail the authentication, and return to the page it came from."""
    intent = intent_with(visit.work, visit.id)
    action = intent["next_action"] or {}
    session = sessions.waiting_for(visit.work, intent)
    succeed = visit.form.get("outcome") == "complete"
    complete_3ds(visit.work, visit.id, succeed=succeed)
    return_url = (action.get("redirect_to_url") or {}).get("return_url")
    if session:
        return visit.to(checkout.after(session))
    if return_url:
        return visit.to(_with_result(return_url, intent))
    return visit.to(f"/hosted/authenticate/{visit.id}")


def _with_result(return_url: str, intent: PaymentIntent | SetupIntent) -> str:
    """Source: https://docs.stripe.com/payments/3d-secure/authentication-flow#return-url."""
    succeeded = intent["status"] in {"succeeded", "requires_capture", "processing"}
    result = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    joint = "&" if urlsplit(return_url).query else "?"
    return f"{return_url}{joint}{urlencode(result)}"


def _invoice_of(work: Work, intent: PaymentIntent | SetupIntent) -> Invoice | None:
    return invoices.paid_with(work, intent) if intent["object"] == "payment_intent" else None

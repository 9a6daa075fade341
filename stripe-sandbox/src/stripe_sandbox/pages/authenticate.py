"""The page of a bank's 3-D Secure challenge: complete it or fail it."""

from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from stripe_sandbox import forms
from stripe_sandbox.errors import StripeError
from stripe_sandbox.rules import authentication, invoices
from stripe_sandbox.store import Store, Work

Json = dict[str, Any]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1rem;margin:.3rem 0;width:100%}}</style></head>
<body><h1>{title}</h1>{body}</body></html>"""

_FORMS = """<p>{what}</p>
<form method="post" action="/hosted/authenticate/{id}"><input type="hidden" name="outcome"
 value="complete"><button>Complete authentication</button></form>
<form method="post" action="/hosted/authenticate/{id}"><input type="hidden" name="outcome"
 value="fail"><button>Fail authentication</button></form>"""


def routes(store: Store) -> list[Route]:
    """The challenge and the hosted invoice page that leads to it."""

    async def challenge(request: Request) -> Response:
        return _challenge(store, request.path_params["intent"])

    async def outcome(request: Request) -> Response:
        form = forms.decode((await request.body()).decode())
        return _finish(store, request.path_params["intent"], str(form.get("outcome", "")))

    async def invoice(request: Request) -> Response:
        return _invoice(store, request.path_params["invoice"])

    return [
        Route("/hosted/authenticate/{intent}", challenge, methods=["GET"]),
        Route("/hosted/authenticate/{intent}", outcome, methods=["POST"]),
        Route("/hosted/invoice/{invoice}", invoice, methods=["GET"]),
    ]


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status)


def _challenge(store: Store, identifier: str) -> Response:
    with store.work() as work:
        intent = work.find(identifier)
        if intent is None or intent["object"] not in {"payment_intent", "setup_intent"}:
            return _page("Not found", "<p>There is no such payment.</p>", 404)
        return _show(intent)


def _show(intent: Json) -> Response:
    if intent["status"] != "requires_action":
        return _page("Nothing to do", f"<p>The status is <b>{escape(intent['status'])}</b>.</p>")
    what = f"Your bank asks you to confirm {escape(intent['id'])}."
    return _page("3-D Secure", _FORMS.format(what=what, id=escape(intent["id"])))


def _finish(store: Store, identifier: str, outcome: str) -> Response:
    try:
        with store.work() as work:
            before = work.find(identifier) or {}
            back = ((before.get("next_action") or {}).get("redirect_to_url") or {}).get(
                "return_url"
            )
            intent = authentication.finish(work, identifier, succeed=outcome == "complete")
            status = intent["status"]
    except StripeError as refusal:
        return _page("Not possible", f"<p>{escape(refusal.message)}</p>", refusal.status)
    if back:
        return RedirectResponse(back, 303)
    word = "completed" if outcome == "complete" else "failed"
    return _page(f"Authentication {word}", f"<p>The status is now <b>{escape(status)}</b>.</p>")


def _invoice(store: Store, identifier: str) -> Response:
    with store.work() as work:
        invoice = work.find(identifier)
        if invoice is None or invoice["object"] != "invoice":
            return _page("Not found", "<p>There is no such invoice.</p>", 404)
        return _page(f"Invoice {invoice['number']}", _invoice_body(work, invoice))


def _invoice_body(work: Work, invoice: Json) -> str:
    intent = invoices.intent_of(work, invoice)
    text = f"<p>{invoice['amount_due'] / 100:.2f} {escape(invoice['currency'])}, "
    text += f"<b>{escape(invoice['status'])}</b></p>"
    if intent and intent["status"] == "requires_action":
        return text + _FORMS.format(what="The bank asks to confirm it.", id=escape(intent["id"]))
    return text

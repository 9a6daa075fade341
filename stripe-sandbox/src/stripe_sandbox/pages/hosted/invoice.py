"""The page of an invoice: show it, pay it, download it as PDF."""

from starlette.responses import Response

from stripe_sandbox.api.rendering import present
from stripe_sandbox.pages import authentication
from stripe_sandbox.pages.api import perform
from stripe_sandbox.pages.hosted import cards
from stripe_sandbox.pages.hosted.pdf import document
from stripe_sandbox.pages.sections import name_of
from stripe_sandbox.pages.show import money
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.storage.kinds import INVOICE


def show(visit: Visit) -> Response:
    """The invoice, with a card form while it is open."""
    stored = visit.work.get(INVOICE, visit.id)
    waiting = authentication.waiting_for(visit.work, stored)
    if visit.refusal and waiting:
        return visit.to(f"/hosted/authenticate/{waiting[0]['id']}")
    return visit.show(
        "hosted/invoice.html",
        invoice=present(visit.work, stored),
        customer=name_of(visit.work, stored["customer"]),
        waiting=waiting,
        choices=cards.choices(),
    )


def pay(visit: Visit) -> Response:
    """Pay with the card in the form; it may be declined, or require 3-D Secure first."""
    customer = visit.work.get(INVOICE, visit.id)["customer"]
    method = cards.attached(visit.work, customer, visit.form)
    perform(visit, "invoices.pay", visit.id, payment_method=method["id"], off_session="false")
    return visit.back(f"/hosted/invoice/{visit.id}", note="paid")


def pdf(visit: Visit) -> Response:
    """The invoice as PDF."""
    invoice = present(visit.work, visit.work.get(INVOICE, visit.id))
    currency = invoice["currency"]
    lines = [
        "Stripe sandbox - nothing here is real",
        "",
        f"Invoice {invoice['number'] or '(draft)'}",
        f"To {name_of(visit.work, invoice['customer'])}",
        f"Status {invoice['status']}",
        "",
        *(
            f"{line['description'] or 'Item'}: {money(line['amount'], currency)}"
            for line in invoice["lines"]["data"]
        ),
        "",
        f"Total {money(invoice['total'], currency)}",
        f"Still due {money(invoice['amount_remaining'], currency)}",
    ]
    name = f"invoice-{invoice['number'] or invoice['id']}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(document(lines), media_type="application/pdf", headers=headers)

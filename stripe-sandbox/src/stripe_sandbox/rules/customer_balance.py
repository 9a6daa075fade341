"""The balance of a customer: what invoices use of it, and every change written down.

Source: https://docs.stripe.com/billing/customer/balance.
"""

from typing import Any

from stripe_sandbox.objects.customers import Customer, CustomerBalanceTransaction
from stripe_sandbox.objects.invoices import Invoice
from stripe_sandbox.storage.kinds import CUSTOMER, CUSTOMER_BALANCE_TRANSACTION
from stripe_sandbox.storage.store import Work


def balance_in(customer: Customer, currency: str) -> int:
    """A customer's balance for an invoice: 0 if it is in another currency."""
    return customer["balance"] or 0 if customer["currency"] in {None, currency} else 0


def apply_to(work: Work, invoice: Invoice, customer: Customer) -> None:
    """Use the customer's balance for an invoice that is being finalised."""
    balance, due = balance_in(customer, invoice["currency"]), invoice["total"]
    invoice["starting_balance"] = balance
    if due > 0:
        applied = -min(-balance, due) if balance < 0 else balance
        invoice["amount_due"] = due + applied
        invoice["ending_balance"] = balance - applied
    else:
        applied = -due if customer["currency"] in {None, invoice["currency"]} else 0
        invoice |= {"amount_due": 0, "ending_balance": balance - applied}
    invoice["amount_remaining"] = invoice["amount_due"]
    if applied:
        change(
            work,
            customer,
            -applied,
            "applied_to_invoice",
            invoice=invoice["id"],
            currency=invoice["currency"],
        )


def change(
    work: Work, customer: Customer, amount: int, reason: str, *, currency: str, **values: Any
) -> CustomerBalanceTransaction:
    """Change a customer's balance, and record the transaction.

    Args:
        customer: The owner of the balance.
        amount: What is added, in the smallest currency unit; negative is a credit.
        reason: The transaction's `type`.
        currency: The transaction's currency.
        values: Other fields of the transaction.
    """
    customer["balance"] = (customer["balance"] or 0) + amount
    customer["currency"] = customer["currency"] or currency
    work.save(customer)
    return work.create(
        CUSTOMER_BALANCE_TRANSACTION,
        {
            "amount": amount,
            "created": work.now(customer["test_clock"]),
            "currency": currency,
            "customer": customer["id"],
            "ending_balance": customer["balance"],
            "metadata": {},
            "type": reason,
            **values,
        },
    )


def return_from(work: Work, invoice: Invoice) -> None:
    """Return what a voided invoice used of the customer's balance."""
    customer = work.find(CUSTOMER, invoice["customer"])
    if invoice["ending_balance"] is None or customer is None:
        return
    applied = invoice["ending_balance"] - invoice["starting_balance"]
    if applied:
        change(
            work,
            customer,
            -applied,
            "unapplied_from_invoice",
            invoice=invoice["id"],
            currency=invoice["currency"],
        )

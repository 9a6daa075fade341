"""Fills a sandbox's data file with customers; run by the sandbox's own interpreter.

Arguments: the file, how many customers, and how many of them have a card. Prints their ids.
"""

import sys
from pathlib import Path

from stripe_sandbox import resources
from stripe_sandbox.clock import Clock
from stripe_sandbox.resources import customers
from stripe_sandbox.rules import payment_methods
from stripe_sandbox.storage.store import Store, Work
from stripe_sandbox.webhooks.events import emit

AT_ONCE = 1000


def main() -> None:
    """Store the customers, each with the event that it was created."""
    file, count, with_card = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resources.load()
    store = Store(file, clock=Clock())
    for first in range(0, count, AT_ONCE):
        with store.work() as work:
            for number in range(first, min(count, first + AT_ONCE)):
                print(make_customer(work, number, has_card=number < with_card))
    store.close()


def make_customer(work: Work, number: int, *, has_card: bool) -> str:
    """Store one customer whose name, address and metadata carry its number; return its id."""
    customer = customers.make(
        work,
        {
            "email": f"user{number}@example.com",
            "name": f"User {number}",
            "metadata": {"user_id": str(number)},
        },
    )
    if has_card:
        method = payment_methods.resolve(work, "pm_card_visa", param="payment_method")
        payment_methods.attach(work, method, customer)
        customer["invoice_settings"]["default_payment_method"] = method["id"]
        work.save(customer)
    emit(work, "customer.created", customer)
    return str(customer["id"])


if __name__ == "__main__":
    main()

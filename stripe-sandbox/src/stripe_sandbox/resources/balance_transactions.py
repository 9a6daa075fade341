"""Balance transactions: what each charge and refund did to the account's balance."""

from typing import Any

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles

Json = dict[str, Any]


@handles("balance_transactions.retrieve")
def retrieve(call: Call) -> Json:
    """One entry."""
    return call.work.get("balance_transaction", call.id)


@handles("balance_transactions.list")
def list_entries(call: Call) -> Json:
    """Entries, newest first."""
    where = {name: call.params.get(name) for name in ("source", "type")}
    return page(call, "balance_transaction", where)

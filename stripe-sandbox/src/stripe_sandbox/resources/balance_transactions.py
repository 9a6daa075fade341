"""Balance transactions: what each charge and refund did to the account's balance."""

from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.storage.kinds import BALANCE_TRANSACTION

retrieves("balance_transactions.retrieve", BALANCE_TRANSACTION)


@handles("balance_transactions.list")
def list_entries(call: Call) -> Thing:
    """Entries, newest first."""
    where = {name: call.params.get(name) for name in ("source", "type")}
    return page(call, BALANCE_TRANSACTION, where)

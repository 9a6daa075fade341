"""Tax rates that a caller defines."""

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.api.rendering import present
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.rules import taxes
from stripe_sandbox.storage.kinds import TAX_RATE
from stripe_sandbox.storage.store import NOTHING, Work
from stripe_sandbox.webhooks.events import emit

_DETAILS = ("active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")


@handles("tax_rates.create")
def create(call: Call) -> Thing:
    """A percentage that is added to prices, or contained in them."""
    params = call.params
    if not 0 <= params["percentage"] <= 100:
        raise InvalidRequest("Invalid percentage: must be between 0 and 100.", param="percentage")
    values = {"active": True, **changes.given(params, *_DETAILS, "inclusive", "percentage")}
    rate = taxes.new_rate(call.work, {**values, "metadata": changes.metadata({}, params)})
    emit(call.work, "tax_rate.created", rate)
    return rate


retrieves("tax_rates.retrieve", TAX_RATE)


@handles("tax_rates.update")
def update(call: Call) -> Thing:
    """Change how a tax rate is called, or archive it; its percentage never changes."""
    rate = call.work.get(TAX_RATE, call.id)
    changes.apply(rate, call.params, *_DETAILS)
    emit(call.work, "tax_rate.updated", call.work.save(rate))
    return rate


@handles("tax_rates.list")
def list_rates(call: Call) -> Thing:
    """Tax rates, newest first; those of automatic tax are only found by their id."""
    names = ("active", "inclusive")
    where = {name: call.params.get(name) for name in names}
    return page(call, TAX_RATE, {**where, "jurisdiction_level": NOTHING})


def shown(work: Work, identifiers: list[str] | None) -> list[Json]:
    """Tax rates as they stand in the objects that they apply to."""
    return [present(work, work.get(TAX_RATE, identifier)) for identifier in identifiers or []]

"""Calls the API's own handlers from a page, so that a button does what a request does."""

from typing import Any

from stripe_sandbox.api.registry import HANDLERS, Call
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.pages.site import Visit
from stripe_sandbox.sdk import request_contract
from stripe_sandbox.sdk.endpoints import endpoint


def perform(visit: Visit, name: str, *ids: str, **sent: Any) -> Thing:
    """Make one call of the API within the visit's unit of work.

    Args:
        visit: The request for the page.
        name: The SDK's name of the call, such as `invoices.pay`.
        ids: The ids in the call's path.
        sent: Parameters as a form would send them: text, or dicts of text.

    Raises:
        StripeError: The API refuses the call.
    """
    described = endpoint(name)
    params = request_contract.check(described, sent)
    path = described.path.format(**dict(zip(described.path_names, ids, strict=True)))
    call = Call(work=visit.work, params=params, ids=ids, path=path, settings=visit.site.settings)
    return HANDLERS[name](call)

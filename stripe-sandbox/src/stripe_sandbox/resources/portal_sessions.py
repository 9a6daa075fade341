"""Customer portal sessions, and the flows that lead to one task."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest, NotCovered, ResourceMissing
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.customers import Customer
from stripe_sandbox.objects.sessions import PortalConfiguration
from stripe_sandbox.resources import portal_configurations
from stripe_sandbox.rules import subscriptions
from stripe_sandbox.storage.kinds import (
    CUSTOMER,
    PORTAL_CONFIGURATION,
    PORTAL_SESSION,
    PRICE,
    SUBSCRIPTION,
)
from stripe_sandbox.storage.store import Work

# The feature that each flow needs.
_NEEDS = {
    "payment_method_update": "payment_method_update",
    "subscription_cancel": "subscription_cancel",
    "subscription_update": "subscription_update",
    "subscription_update_confirm": "subscription_update",
}


@handles("billing_portal.sessions.create")
def create(call: Call) -> Thing:
    """A session with the address of its page."""
    work, params = call.work, call.params
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced(CUSTOMER, params["customer"], param="customer")
    configuration = _configuration(work, params.get("configuration"))
    flow = params.get("flow_data")
    identifier = work.ids.new("bps_")
    return work.create(
        PORTAL_SESSION,
        {
            "id": identifier,
            "configuration": configuration["id"],
            "customer": customer["id"],
            "flow": _flow(work, customer, configuration, flow) if flow else None,
            "return_url": configuration["default_return_url"],
            "url": f"{work.public_url}/hosted/portal/{identifier}",
            **changes.given(params, "locale", "return_url"),
        },
    )


def _configuration(work: Work, named: str | None) -> PortalConfiguration:
    if not named:
        return portal_configurations.default(work)
    found = work.referenced(PORTAL_CONFIGURATION, named, param="configuration")
    if not found["active"]:
        raise InvalidRequest("The configuration is inactive.", param="configuration")
    return found


def _flow(work: Work, customer: Customer, configuration: PortalConfiguration, wanted: Json) -> Json:
    """The `flow` of a session, as `flow_data` describes it.

    Raises:
        InvalidRequest: The configuration does not allow the task, or the subscription is none
            of the customer's that can be changed.
        NotCovered: The pages have no such flow.
    """
    kind = wanted["type"]
    if kind not in _NEEDS:
        raise NotCovered(f"the portal's flow {kind}", param="flow_data[type]")
    if not configuration["features"][_NEEDS[kind]]["enabled"]:
        raise InvalidRequest(
            f"This flow cannot be used because the feature `{_NEEDS[kind]}` in the portal "
            "configuration is disabled.",
            param="flow_data[type]",
        )
    flow: Json = {"type": kind, "after_completion": _after(wanted.get("after_completion"))}
    if kind == "payment_method_update":
        return flow
    details, path = wanted.get(kind), f"flow_data[{kind}]"
    if not details:
        raise InvalidRequest(
            f"Missing required param: {path}.", code="parameter_missing", param=path
        )
    changes.only(details, "subscription", "items", "discounts", path=path)
    _check_subscription(work, customer, details["subscription"], f"{path}[subscription]")
    if kind == "subscription_update_confirm":
        _check_items(work, details, path)
    return flow | {kind: details}


def _after(wanted: Any) -> Json:
    wanted = wanted or {"type": "portal_homepage"}
    if wanted["type"] == "redirect" and not (wanted.get("redirect") or {}).get("return_url"):
        path = "flow_data[after_completion][redirect][return_url]"
        raise InvalidRequest(
            f"Missing required param: {path}.", code="parameter_missing", param=path
        )
    return dict(wanted)


def _check_subscription(work: Work, customer: Customer, identifier: str, path: str) -> None:
    found = work.referenced(SUBSCRIPTION, identifier, param=path)
    if found["customer"] != customer["id"]:
        raise ResourceMissing("subscription", identifier, param=path, status=400)
    if found["status"] in subscriptions.ENDED:
        raise InvalidRequest(
            "This subscription cannot be changed because it has ended.", param=path
        )


def _check_items(work: Work, details: Json, path: str) -> None:
    subscription = work.get(SUBSCRIPTION, details["subscription"])
    known = {item["id"] for item in subscription["items"]["data"]}
    for index, item in enumerate(details["items"]):
        param = f"{path}[items][{index}]"
        if item["id"] not in known:
            raise ResourceMissing("subscription item", item["id"], param=param, status=400)
        if item.get("price"):
            work.referenced(PRICE, item["price"], param=f"{param}[price]")

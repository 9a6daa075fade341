"""Configurations of the customer portal: what customers can do there."""

import copy
from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest, NotCovered
from stripe_sandbox.objects.common import Json, Thing
from stripe_sandbox.objects.sessions import PortalConfiguration
from stripe_sandbox.storage.kinds import PORTAL_CONFIGURATION, PRICE, PRODUCT
from stripe_sandbox.storage.store import Work
from stripe_sandbox.webhooks.events import emit

# What each feature is where a configuration does not mention it.
_FEATURES: Json = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": ["other"]},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {
        "duration": {"interval_options": [], "type": "indefinite"},
        "enabled": False,
    },
    "subscription_update": {
        "default_allowed_updates": [],
        "enabled": False,
        "products": None,
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}
# What the portal offers before an account has configured it.
_DEFAULT: Json = {
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True},
}
# What the pages would ignore.
_IGNORED = (
    ("payment_method_update", "payment_method_configuration"),
    ("subscription_cancel", "cancellation_reason", "feedback_options"),
    ("subscription_pause", "duration"),
)
_FIELDS = ("default_return_url", "name")
_CUSTOMER_UPDATES = {"email", "name", "phone"}


@handles("billing_portal.configurations.create")
def create(call: Call) -> Thing:
    """Create a configuration; sessions use it where they name it."""
    return make(call.work, call.params)


def make(work: Work, params: Any, *, is_default: bool = False) -> PortalConfiguration:
    """Store a configuration described by parameters."""
    features = copy.deepcopy(_FEATURES)
    _merge(work, features, params["features"])
    identifier = params.get("id")
    made = work.create(
        PORTAL_CONFIGURATION,
        {
            "active": True,
            "business_profile": dict(params.get("business_profile") or {}),
            "features": features,
            "is_default": is_default,
            "login_page": _login_page(params),
            "metadata": changes.metadata({}, params),
            "updated": work.now(),
            **changes.given(params, *_FIELDS),
            **({"id": identifier} if identifier else {}),
        },
    )
    emit(work, "billing_portal.configuration.created", made)
    return made


def default(work: Work) -> PortalConfiguration:
    """The default configuration, created when it is first needed."""
    for known in work.all(PORTAL_CONFIGURATION, {"active": True}):
        if known["is_default"]:
            return known
    return make(work, {"features": _DEFAULT}, is_default=True)


def _login_page(params: Any) -> Json:
    if (params.get("login_page") or {}).get("enabled"):
        raise NotCovered("the portal's own login page", param="login_page[enabled]")
    return {"enabled": False}


def _merge(work: Work, features: Json, wanted: Json) -> None:
    """Set what a request says of features, and check that the pages can do it."""
    for path in _IGNORED:
        if _at(wanted, path):
            param = f"features[{']['.join(path)}]"
            raise NotCovered(f"the parameter `{param}`", param=param)
    for name, values in wanted.items():
        _set(features[name], values)
    _check_covered(features)
    _check_products(work, features["subscription_update"])


def _at(wanted: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        wanted = (wanted or {}).get(name)
    return wanted


def _set(feature: Json, values: Json) -> None:
    for key, value in values.items():
        known = feature.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            _set(known, value)
        elif value == "":
            # An empty string unsets; what is a list has no member then.
            feature[key] = None if key == "payment_method_configuration" else []
        else:
            feature[key] = value


def _check_covered(features: Json) -> None:
    if features["subscription_pause"]["enabled"]:
        param = "features[subscription_pause][enabled]"
        raise NotCovered("pausing a subscription in the portal", param=param)
    others = set(features["customer_update"]["allowed_updates"] or []) - _CUSTOMER_UPDATES
    if others:
        param = "features[customer_update][allowed_updates]"
        raise NotCovered(f"changing the {min(others)} in the portal", param=param)


def _check_products(work: Work, update: Json) -> None:
    path = "features[subscription_update][products]"
    changes_price = update["enabled"] and "price" in update["default_allowed_updates"]
    if changes_price and not update["products"]:
        raise InvalidRequest(
            f"Missing required param: {path}.", code="parameter_missing", param=path
        )
    for index, product in enumerate(update["products"] or []):
        work.referenced(PRODUCT, product["product"], param=f"{path}[{index}][product]")
        for number, identifier in enumerate(product["prices"]):
            param = f"{path}[{index}][prices][{number}]"
            price = work.referenced(PRICE, identifier, param=param)
            if price["product"] != product["product"]:
                raise InvalidRequest(
                    f"The price {identifier} does not belong to the product.", param=param
                )
        product.setdefault("adjustable_quantity", {"enabled": False})
        product["adjustable_quantity"].setdefault("minimum", 1)


@handles("billing_portal.configurations.update")
def update(call: Call) -> Thing:
    """Change a configuration; features that are not named stay as they are."""
    work, params = call.work, call.params
    configuration = work.get(PORTAL_CONFIGURATION, call.id)
    if params.get("active") is False and configuration["is_default"]:
        raise InvalidRequest("The default configuration cannot be deactivated.", param="active")
    features = copy.deepcopy(configuration["features"])
    _merge(work, features, params.get("features") or {})
    configuration["features"] = features
    if "business_profile" in params:
        profile = params["business_profile"] or {}
        configuration["business_profile"] = {**configuration["business_profile"], **profile}
    if "login_page" in params:
        configuration["login_page"] = _login_page(params)
    changes.apply(configuration, params, *_FIELDS, "active")
    configuration["updated"] = work.now()
    emit(work, "billing_portal.configuration.updated", work.save(configuration))
    return configuration


@handles("billing_portal.configurations.list")
def list_configurations(call: Call) -> Thing:
    """The portal's configurations."""
    where = {"active": call.params.get("active"), "is_default": call.params.get("is_default")}
    return page(call, PORTAL_CONFIGURATION, where)


retrieves("billing_portal.configurations.retrieve", PORTAL_CONFIGURATION)

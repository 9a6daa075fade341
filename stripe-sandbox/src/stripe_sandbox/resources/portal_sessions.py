"""Customer portal sessions, and the one configuration they have by default."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]


@handles("billing_portal.sessions.create")
def create(call: Call) -> Json:
    """A session with the address of its page."""
    work, params = call.work, call.params
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced("customer", params["customer"], param="customer")
    named = params.get("configuration")
    if named:
        work.referenced("billing_portal.configuration", named, param="configuration")
    identifier = work.ids.new("bps_")
    return work.create(
        "billing_portal.session",
        {
            "id": identifier,
            "configuration": named or _default(work)["id"],
            "customer": customer["id"],
            "url": f"{work.public_url}/hosted/portal/{identifier}",
            **changes.given(params, "locale", "return_url"),
        },
    )


def _default(work: Work) -> Json:
    """The configuration that an account has once it uses the portal."""
    known = work.all("billing_portal.configuration", active=True)
    return known[0] if known else _make_default(work)


def _make_default(work: Work) -> Json:
    return work.create(
        "billing_portal.configuration",
        {
            "active": True,
            "business_profile": {},
            "features": {
                "customer_update": {"allowed_updates": [], "enabled": False},
                "invoice_history": {"enabled": True},
                "payment_method_update": {"enabled": True},
                "subscription_cancel": {
                    "cancellation_reason": {"enabled": False, "options": ["other"]},
                    "enabled": True,
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
                    "proration_behavior": "none",
                    "schedule_at_period_end": {"conditions": []},
                    "trial_update_behavior": "end_trial",
                },
            },
            "is_default": True,
            "login_page": {"enabled": False},
            "metadata": {},
            "updated": work.now(),
        },
    )


@handles("billing_portal.configurations.list")
def list_configurations(call: Call) -> Json:
    """The portal's configurations."""
    return page(call, "billing_portal.configuration", {"active": call.params.get("active")})


@handles("billing_portal.configurations.retrieve")
def retrieve_configuration(call: Call) -> Json:
    """One configuration."""
    return call.work.get("billing_portal.configuration", call.id)

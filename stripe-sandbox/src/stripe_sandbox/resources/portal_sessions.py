"""Customer portal sessions, and the one configuration they have by default."""

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.sessions import PortalConfiguration
from stripe_sandbox.storage.kinds import CUSTOMER, PORTAL_CONFIGURATION, PORTAL_SESSION
from stripe_sandbox.storage.store import Work


@handles("billing_portal.sessions.create")
def create(call: Call) -> Thing:
    """A session with the address of its page."""
    work, params = call.work, call.params
    if not params.get("customer"):
        raise InvalidRequest(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = work.referenced(CUSTOMER, params["customer"], param="customer")
    named = params.get("configuration")
    if named:
        work.referenced(PORTAL_CONFIGURATION, named, param="configuration")
    identifier = work.ids.new("bps_")
    return work.create(
        PORTAL_SESSION,
        {
            "id": identifier,
            "configuration": named or _default(work)["id"],
            "customer": customer["id"],
            "url": f"{work.public_url}/hosted/portal/{identifier}",
            **changes.given(params, "locale", "return_url"),
        },
    )


def _default(work: Work) -> PortalConfiguration:
    """The configuration that an account has once it uses the portal."""
    known = work.all(PORTAL_CONFIGURATION, {"active": True})
    return known[0] if known else _make_default(work)


def _make_default(work: Work) -> PortalConfiguration:
    return work.create(
        PORTAL_CONFIGURATION,
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
def list_configurations(call: Call) -> Thing:
    """The portal's configurations."""
    return page(call, PORTAL_CONFIGURATION, {"active": call.params.get("active")})


retrieves("billing_portal.configurations.retrieve", PORTAL_CONFIGURATION)

"""Webhook endpoints."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, retrieves
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.objects.common import Thing
from stripe_sandbox.objects.state import WebhookEndpointState
from stripe_sandbox.objects.system import WebhookEndpoint
from stripe_sandbox.storage.kinds import WEBHOOK_ENDPOINT
from stripe_sandbox.storage.store import Work


@handles("webhook_endpoints.create")
def create(call: Call) -> Thing:
    """Create an endpoint; this answer alone shows its signing secret."""
    call.extra["secret"] = f"whsec_{call.work.ids.text(32)}"
    return make(call.work, call.params, secret=call.extra["secret"])


def make(work: Work, params: Any, *, secret: str) -> WebhookEndpoint:
    """Store an endpoint with a given secret.

    Raises:
        InvalidRequest: The address is no http address.
    """
    if not params["url"].startswith(("http://", "https://")):
        raise InvalidRequest(
            "Invalid URL: URL must be publicly accessible.", code="url_invalid", param="url"
        )
    endpoint = work.create(
        WEBHOOK_ENDPOINT,
        {
            "id": params.get("id") or work.ids.new("we_"),
            "api_version": params.get("api_version"),
            "enabled_events": list(params["enabled_events"]),
            "metadata": changes.metadata({}, params),
            "status": "enabled",
            "url": params["url"],
            **changes.given(params, "description"),
        },
    )
    work.state(endpoint, WebhookEndpointState).secret = secret
    return endpoint


retrieves("webhook_endpoints.retrieve", WEBHOOK_ENDPOINT)


@handles("webhook_endpoints.update")
def update(call: Call) -> Thing:
    """Change an endpoint, disable or enable it."""
    endpoint = call.work.get(WEBHOOK_ENDPOINT, call.id)
    changes.apply(endpoint, call.params, "description", "enabled_events", "url")
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    return call.work.save(endpoint)


@handles("webhook_endpoints.delete")
def delete(call: Call) -> Thing:
    """Delete an endpoint; nothing is sent to it any more."""
    call.work.execute("DELETE FROM deliveries WHERE endpoint = ?", (call.id,))
    return call.work.delete(call.work.get(WEBHOOK_ENDPOINT, call.id))


@handles("webhook_endpoints.list")
def list_endpoints(call: Call) -> Thing:
    """Endpoints, newest first."""
    return page(call, WEBHOOK_ENDPOINT, {})

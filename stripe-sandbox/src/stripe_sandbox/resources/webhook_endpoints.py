"""Webhook endpoints."""

from typing import Any

from stripe_sandbox import changes
from stripe_sandbox.api.paging import page
from stripe_sandbox.api.registry import Call, handles, presents
from stripe_sandbox.errors import InvalidRequest
from stripe_sandbox.storage.store import Work

Json = dict[str, Any]


@presents("webhook_endpoint")
def shown(_work: Work, endpoint: Json) -> Json:
    """The secret is shown once, when the endpoint is made."""
    endpoint.pop("secret", None)
    return endpoint


@handles("webhook_endpoints.create")
def create(call: Call) -> Json:
    """An endpoint, answered with its signing secret."""
    endpoint = make(call.work, call.params, secret=f"whsec_{call.work.ids.text(32)}")
    call.extra["secret"] = endpoint["_secret"]
    return endpoint


def make(work: Work, params: Any, *, secret: str) -> Json:
    """Store an endpoint with a given secret.

    Raises:
        InvalidRequest: The address is no http address.
    """
    if not params["url"].startswith(("http://", "https://")):
        raise InvalidRequest(
            "Invalid URL: URL must be publicly accessible.", code="url_invalid", param="url"
        )
    return work.create(
        "webhook_endpoint",
        {
            "id": params.get("id") or work.ids.new("we_"),
            "api_version": params.get("api_version"),
            "enabled_events": list(params["enabled_events"]),
            "metadata": changes.metadata({}, params),
            "status": "enabled",
            "url": params["url"],
            "_secret": secret,
            **changes.given(params, "description"),
        },
    )


@handles("webhook_endpoints.retrieve")
def retrieve(call: Call) -> Json:
    """One endpoint."""
    return call.work.get("webhook_endpoint", call.id)


@handles("webhook_endpoints.update")
def update(call: Call) -> Json:
    """Change an endpoint, or switch it off and on."""
    endpoint = call.work.get("webhook_endpoint", call.id)
    endpoint |= changes.given(call.params, "description", "enabled_events", "url")
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    endpoint["metadata"] = changes.metadata(endpoint["metadata"], call.params)
    return call.work.save(endpoint)


@handles("webhook_endpoints.delete")
def delete(call: Call) -> Json:
    """Delete an endpoint; nothing is sent to it any more."""
    call.work.execute("DELETE FROM deliveries WHERE endpoint = ?", (call.id,))
    return call.work.delete(call.work.get("webhook_endpoint", call.id))


@handles("webhook_endpoints.list")
def list_endpoints(call: Call) -> Json:
    """Endpoints, newest first."""
    return page(call, "webhook_endpoint", {})

"""Describes the webhook in the OpenAPI document; its view is outside the REST framework."""

from typing import Any

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}

_OPERATION = {
    "operationId": "receiveStripeWebhook",
    "summary": "Receive an event from Stripe",
    "description": (
        "Stores the event; a worker then fetches the current state from Stripe. Delivering an "
        "event again changes nothing."
    ),
    "tags": ["stripe-webhook"],
    "security": [],
    "parameters": [
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
            "example": "t=1790000000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "responses": {
        "200": {
            "description": "Stored",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"received": {"type": "boolean"}},
                        "required": ["received"],
                    },
                    "example": {"received": True},
                }
            },
        },
        "400": {
            "description": "The signature is wrong or too old, or the body is not an event",
            "content": {
                "application/json": {
                    **_ERROR["application/json"],
                    "example": {
                        "detail": "The signature does not match.",
                        "code": "bad_signature",
                    },
                }
            },
        },
    },
}


def describe_webhook(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the operation to the finished document.

    Args:
        result: The document so far.
    """
    result["paths"]["/api/stripe-webhook"] = {"post": _OPERATION}
    return result

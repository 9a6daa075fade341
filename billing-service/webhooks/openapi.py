"""Describes the webhook in the OpenAPI document, as its plain view tells nothing itself."""

from typing import Any

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}

_OPERATION = {
    "operationId": "stripeWebhook",
    "summary": "Where Stripe delivers its events",
    "description": (
        "Stores the event and answers; a worker fetches from Stripe what is true now. "
        "Delivering an event again changes nothing."
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
            "description": "Not signed by Stripe lately, or no event",
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

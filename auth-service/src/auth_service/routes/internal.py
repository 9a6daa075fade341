"""`/internal/token`: a secret against a short-lived token for the other internal endpoints."""

import base64
import binascii
import hmac

from fastapi import APIRouter, Request, Response

from auth_service.errors import InvalidClient, MalformedBody, ValidationFailed
from auth_service.routes.dependencies import parts_of
from auth_service.routes.forms import FORM, read_form
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import refusals
from auth_service.routes.token import NO_STORE
from auth_service.schemas import ServiceToken
from auth_service.tokens.jwt import SERVICE_TOKEN_LIFETIME_SECONDS

CLIENT_ID = "billing-service"

router = APIRouter(prefix="/internal", tags=["internal"], route_class=StrictRoute)
_FORM_BODY = {
    "security": [{"basicAuth": []}],
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {"grant_type": {"type": "string", "const": "client_credentials"}},
                }
            }
        },
    },
}


@router.post(
    "/token",
    openapi_extra=_FORM_BODY,
    responses=refusals(MalformedBody, ValidationFailed, InvalidClient),
)
async def service_token(request: Request, response: Response) -> ServiceToken:
    """Give billing-service a token for the internal API (RFC 6749 §4.4)."""
    parts = parts_of(request)
    _authenticate(request.headers.get("authorization", ""), secret=parts.client_secret)
    form = await read_form(request)
    if form.get("grant_type") != "client_credentials":
        raise ValidationFailed({"grant_type": ["Only client_credentials is supported"]})
    response.headers.update(NO_STORE)
    return ServiceToken(
        access_token=parts.issuer.issue_service(CLIENT_ID, now=parts.clock()),
        expires_in=SERVICE_TOKEN_LIFETIME_SECONDS,
    )


def _authenticate(authorization: str, *, secret: str) -> None:
    scheme, _, encoded = authorization.partition(" ")
    try:
        shown = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidClient from None
    expected = f"{CLIENT_ID}:{secret}".encode()
    if scheme.lower() != "basic" or not hmac.compare_digest(shown, expected):
        raise InvalidClient

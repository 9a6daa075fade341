"""`/internal/token`: a service exchanges its secret for a token of the internal API."""

import base64
import binascii
import hmac

from fastapi import APIRouter, Request

from auth_service.errors import (
    BodyTooLarge,
    InvalidClient,
    MalformedBody,
    Unavailable,
    ValidationFailed,
)
from auth_service.routes.dependencies import app_state
from auth_service.routes.forms import FORM, read_form
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import errors
from auth_service.schemas import ServiceToken
from auth_service.tokens.jwt import SERVICE_TOKEN_LIFETIME_SECONDS

CLIENT_ID = "billing-service"

router = APIRouter(prefix="/internal", tags=["internal"], route_class=StrictRoute)
_BASIC_AUTH_AND_FORM = {
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
    operation_id="obtainServiceToken",
    summary="Exchange a client id and secret for a service token",
    response_description="The service token.",
    openapi_extra=_BASIC_AUTH_AND_FORM,
    responses=errors(MalformedBody, ValidationFailed, InvalidClient, BodyTooLarge, Unavailable),
)
async def obtain_service_token(request: Request) -> ServiceToken:
    """The client credentials grant (RFC 6749 §4.4). The token is valid for 60 seconds."""
    state = app_state(request)
    _authenticate(request.headers.get("authorization", ""), secret=state.client_secret)
    form = await read_form(request)
    if form.get("grant_type") != "client_credentials":
        raise ValidationFailed({"grant_type": ["Send client_credentials"]})
    return ServiceToken(
        access_token=state.issuer.issue_service(CLIENT_ID, now=state.clock()),
        expires_in=SERVICE_TOKEN_LIFETIME_SECONDS,
    )


def _authenticate(authorization: str, *, secret: str) -> None:
    scheme, _, encoded = authorization.partition(" ")
    try:
        sent = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidClient from None
    expected = f"{CLIENT_ID}:{secret}".encode()
    if scheme.lower() != "basic" or not hmac.compare_digest(sent, expected):
        raise InvalidClient

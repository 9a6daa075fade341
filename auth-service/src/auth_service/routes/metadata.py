"""`/.well-known/oauth-authorization-server`: the addresses of our endpoints (RFC 8414)."""

from fastapi import APIRouter, Request, Response

from auth_service.routes.dependencies import app_state
from auth_service.routes.jwks import CACHE_CONTROL
from auth_service.schemas import ServerMetadata
from auth_service.tokens.jwt import ALGORITHM

router = APIRouter(tags=["keys"])


@router.get(
    "/.well-known/oauth-authorization-server",
    operation_id="getServerMetadata",
    summary="Get the addresses of the endpoints",
    response_description="The metadata.",
    openapi_extra={"security": []},
)
async def metadata(request: Request, response: Response) -> ServerMetadata:
    """Authorization server metadata (RFC 8414 §2), for clients and verifiers.

    `grant_types_supported` is empty, because the token endpoints take JSON and are no OAuth grant.
    """
    state = app_state(request)
    response.headers["Cache-Control"] = CACHE_CONTROL
    base = state.public_url
    return ServerMetadata(
        issuer=state.issuer.issuer,
        jwks_uri=f"{base}/.well-known/jwks.json",
        token_endpoint=f"{base}/api/token/obtain",
        revocation_endpoint=f"{base}/api/token/revoke",
        revocation_endpoint_auth_methods_supported=["none"],
        token_endpoint_auth_methods_supported=["none"],
        response_types_supported=[],
        grant_types_supported=[],
        access_token_signing_alg_values_supported=[ALGORITHM],
        service_documentation=f"{base}/api/token/docs",
    )

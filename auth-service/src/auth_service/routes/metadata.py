"""`/.well-known/oauth-authorization-server`: where everything is (RFC 8414)."""

from fastapi import APIRouter, Request

from auth_service.routes.dependencies import parts_of
from auth_service.tokens.jwt import ALGORITHM

router = APIRouter(tags=["keys"])


@router.get("/.well-known/oauth-authorization-server")
async def metadata(request: Request) -> dict[str, object]:
    """Describe this authorization server to clients and verifiers (RFC 8414 §2).

    The token endpoints speak the original's JSON, so no OAuth grant is announced for them.
    """
    parts = parts_of(request)
    base = parts.public_url
    return {
        "issuer": parts.issuer.issuer,
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "token_endpoint": f"{base}/api/token/obtain",
        "revocation_endpoint": f"{base}/api/token/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "token_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "grant_types_supported": [],
        "access_token_signing_alg_values_supported": [ALGORITHM],
        "service_documentation": f"{base}/api/token/docs",
    }

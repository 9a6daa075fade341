"""`GET /.well-known/jwks.json`: the public keys, served from memory (RFC 7517)."""

from fastapi import APIRouter, Request, Response

from auth_service.errors import Unavailable
from auth_service.routes.dependencies import app_state
from auth_service.routes.openapi_responses import errors

# For a day after this service becomes unavailable, a cache may keep serving the keys, so that
# other services can still verify tokens.
CACHE_CONTROL = "public, max-age=60, stale-if-error=86400"
MEDIA_TYPE = "application/jwk-set+json"
_EXAMPLE = {
    "keys": [
        {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86",
            "e": "AQAB",
        }
    ]
}
_SCHEMA = {
    "type": "object",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kty", "use", "alg", "kid", "n", "e"],
                "properties": {
                    name: {"type": "string"} for name in ("kty", "use", "alg", "kid", "n", "e")
                },
            },
        }
    },
}

router = APIRouter(tags=["keys"])


@router.get(
    "/.well-known/jwks.json",
    operation_id="getJwks",
    summary="Get the public keys that verify tokens",
    response_class=Response,
    responses={
        200: {
            "description": "A JWK Set.",
            "content": {MEDIA_TYPE: {"schema": _SCHEMA, "example": _EXAMPLE}},
        },
        304: {"description": "The JWK Set still has the ETag that you sent."},
        **errors(Unavailable),
    },
    openapi_extra={"security": []},
)
async def jwks(request: Request) -> Response:
    """A JWK Set (RFC 7517 §5), with a key that will sign soon among its keys.

    Keep it for `max-age`, then ask with `If-None-Match`. Ask again at once for a token whose `kid`
    you do not know, but not more often than every few seconds.
    """
    state = app_state(request)
    document = state.keys.jwks(state.clock())
    headers = {"Cache-Control": CACHE_CONTROL, "ETag": document.etag}
    if _matches(request.headers.get("if-none-match", ""), document.etag):
        return Response(status_code=304, headers=headers)
    return Response(document.body, headers=headers, media_type=MEDIA_TYPE)


def _matches(if_none_match: str, etag: str) -> bool:
    # The weak comparison of RFC 9110 §13.1.2: a proxy may have made our ETag weak.
    candidates = (candidate.strip() for candidate in if_none_match.split(","))
    return any(candidate in ("*", etag, f"W/{etag}") for candidate in candidates)

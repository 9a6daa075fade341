"""`GET /.well-known/jwks.json`: the public keys, from memory alone (RFC 7517)."""

from fastapi import APIRouter, Request, Response

from auth_service.routes.dependencies import parts_of

# A cache may hold on to old keys for a day while we are away: verifying goes on meanwhile.
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


router = APIRouter(tags=["keys"])


@router.get(
    "/.well-known/jwks.json",
    response_class=Response,
    responses={
        200: {
            "description": "A JWK Set; keep it for `max-age`, then ask with `If-None-Match`.",
            "content": {MEDIA_TYPE: {"example": _EXAMPLE}},
        },
        304: {"description": "The set whose ETag you named is still the current one."},
    },
)
async def jwks(request: Request) -> Response:
    """Publish the keys that verify our tokens, one that is about to sign included."""
    parts = parts_of(request)
    document = parts.keys.jwks(parts.clock())
    headers = {"Cache-Control": CACHE_CONTROL, "ETag": document.etag}
    if _names(request.headers.get("if-none-match", ""), document.etag):
        return Response(status_code=304, headers=headers)
    return Response(document.body, headers=headers, media_type=MEDIA_TYPE)


def _names(if_none_match: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 §13.1.2 asks: a proxy may have weakened our tag."""
    candidates = (candidate.strip() for candidate in if_none_match.split(","))
    return any(candidate in ("*", etag, f"W/{etag}") for candidate in candidates)

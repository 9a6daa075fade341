"""Turns refusals and defects into answers with Stripe's `error` object."""

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stripe_sandbox.errors import StripeError


def refusal_response(refusal: StripeError) -> Response:
    """The answer to a request that is refused, printed as Stripe prints it."""
    body = json.dumps(refusal.body(), indent=2, ensure_ascii=False)
    return Response(body, refusal.status, media_type="application/json")


async def answer_refusal(_request: Request, refusal: Exception) -> Response:
    """Answer a `StripeError` that left an endpoint."""
    if not isinstance(refusal, StripeError):
        raise refusal
    return refusal_response(refusal)


async def answer_defect(_request: Request, problem: Exception) -> Response:
    """Answer a defect of the sandbox with a 500; the log has the traceback."""
    message = f"The sandbox failed: {type(problem).__name__}: {problem}"
    return JSONResponse({"error": {"type": "api_error", "message": message}}, 500)

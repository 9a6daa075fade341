"""The admin API of the faults, at `/sandbox/faults`."""

import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stripe_sandbox.errors import InvalidParameter, ResourceMissing
from stripe_sandbox.faults.parsing import fault_from
from stripe_sandbox.faults.rules import Faults, Rule
from stripe_sandbox.sdk import form_encoding

PATH = "/sandbox/faults"


def routes(faults: Faults) -> list[Route]:
    """List, create, lift one, lift all."""

    async def collection(request: Request) -> Response:
        if request.method == "POST":
            return await _created(request, faults)
        if request.method == "DELETE":
            faults.clear()
        return JSONResponse({"object": "list", "data": [_shown(rule) for rule in faults]})

    async def member(request: Request) -> Response:
        identifier = request.path_params["id"]
        if faults.remove(identifier) is None:
            raise ResourceMissing("fault", identifier, param="id")
        return JSONResponse({"id": identifier, "object": "fault", "deleted": True})

    return [
        Route(PATH, collection, methods=["GET", "POST", "DELETE"]),
        Route(PATH + "/{id}", member, methods=["DELETE"]),
    ]


async def _created(request: Request, faults: Faults) -> Response:
    fault = fault_from(await _values(request))
    return JSONResponse(_shown(faults.add(fault)), 201)


async def _values(request: Request) -> dict[str, Any]:
    body = (await request.body()).decode("utf-8", errors="replace")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return form_encoding.decode(body)
    try:
        values = json.loads(body)
    except ValueError:
        raise InvalidParameter("The body is not JSON.") from None
    if not isinstance(values, dict):
        raise InvalidParameter("The body is not a JSON object.")
    return values


def _shown(rule: Rule) -> dict[str, Any]:
    counts = {"matched": rule.matched, "applied": rule.applied}
    return {"id": rule.id, "object": "fault", **asdict(rule.fault), **counts}

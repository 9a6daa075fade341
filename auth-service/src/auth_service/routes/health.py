"""`/livez` and `/readyz`: for a process supervisor and for a load balancer."""

from fastapi import APIRouter, Request

from auth_service import queries
from auth_service.database import NOT_MIGRATED
from auth_service.errors import Unavailable
from auth_service.routes.dependencies import app_state
from auth_service.routes.openapi_responses import errors

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    operation_id="getLiveness",
    summary="Check that the process answers",
    response_description="It does.",
    openapi_extra={"security": []},
)
async def livez() -> dict[str, str]:
    """Does not ask the database: if it did, an outage of the database would restart the process."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Check that requests can be served",
    response_description="They can.",
    responses=errors(Unavailable),
    openapi_extra={"security": []},
)
def readyz(request: Request) -> dict[str, str]:
    """Checks that the database answers, that its schema is this release's or a newer one, and that
    a key can sign.
    """
    state = app_state(request)
    state.keys.signing_key(state.clock())
    with state.autocommit.connect() as connection:
        revision = queries.schema_revision(connection)
    if revision is None or revision in state.older_schema_revisions:
        raise Unavailable(NOT_MIGRATED)
    return {"status": "ready"}

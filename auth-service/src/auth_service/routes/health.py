"""`/livez`, `/healthz` and `/readyz`: for a supervisor, the gateway, and those who wait."""

from contextlib import suppress

from fastapi import APIRouter, Request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from auth_service import queries
from auth_service.database import NOT_MIGRATED
from auth_service.errors import Unavailable
from auth_service.observability import draining
from auth_service.routes.dependencies import AppState, app_state
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
    _check_schema(state)
    return {"status": "ready"}


@router.get(
    "/healthz",
    operation_id="getHealth",
    summary="Check that this replica should get requests",
    response_description="It should.",
    responses=errors(Unavailable),
    openapi_extra={"security": []},
)
def healthz(request: Request) -> dict[str, str]:
    """Fails before the replica stops, and while the schema is older than this release.

    It does not fail in an outage of the database: all replicas would, and the JWKS needs none.
    """
    if draining.has_begun():
        raise Unavailable("This replica is about to stop.")
    state = app_state(request)
    if not state.schema_seen.is_set():
        with suppress(OperationalError, PoolTimeoutError):
            _check_schema(state)
    return {"status": "healthy"}


def _check_schema(state: AppState) -> None:
    with state.autocommit.connect() as connection:
        revision = queries.schema_revision(connection)
    if revision is None or revision in state.older_schema_revisions:
        raise Unavailable(NOT_MIGRATED)
    state.schema_seen.set()

"""`/internal/audit…`: the audit log, for the admin page of billing-service."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from auth_service import audit
from auth_service.audit import Filters
from auth_service.errors import (
    BodyTooLarge,
    InvalidToken,
    MalformedBody,
    NotAuthenticated,
    SuperuserRequired,
    Unavailable,
    ValidationFailed,
)
from auth_service.routes.dependencies import InternalOrigin, app_state
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import errors
from auth_service.schemas import AuditEventOut, AuditExportIn, AuditPage, AuditQuery
from auth_service.users import guards

router = APIRouter(
    prefix="/internal/audit",
    tags=["internal"],
    route_class=StrictRoute,
    responses=errors(
        NotAuthenticated, InvalidToken, ValidationFailed, SuperuserRequired, Unavailable
    ),
)


@router.get(
    "",
    operation_id="listAuditEvents",
    summary="Read the audit log",
    response_description="A page of events.",
)
def read_audit(
    request: Request, origin: InternalOrigin, query: Annotated[AuditQuery, Query()]
) -> AuditPage:
    """Returns the newest events first. The acting user has to be a superuser."""
    filters = Filters(
        user_id=query.user_id,
        actor_id=query.actor_id,
        action=query.action,
        client=query.source,
        since=query.since,
        until=query.until,
    )
    with app_state(request).autocommit.connect() as connection:
        guards.require_superuser(connection, origin)
        found = audit.events(connection, filters, before=query.before, limit=query.limit)
    return AuditPage(
        results=[AuditEventOut.model_validate(event) for event in found],
        next_before=found[-1].id if len(found) == query.limit else None,
    )


@router.post(
    "/exports",
    operation_id="recordAuditExport",
    summary="Record that the audit log is exported",
    response_description="The export is recorded.",
    status_code=204,
    responses=errors(MalformedBody, BodyTooLarge),
)
def record_export(body: AuditExportIn, request: Request, origin: InternalOrigin) -> Response:
    """Call it before the export, so that none is made without an event in the log."""
    state = app_state(request)
    with state.engine.begin() as connection:
        guards.require_superuser(connection, origin)
        audit.record(
            connection,
            "audit.exported",
            origin=origin,
            user_id=None,
            detail=body.model_dump(mode="json", exclude_none=True),
            now=state.clock(),
        )
    return Response(status_code=204)

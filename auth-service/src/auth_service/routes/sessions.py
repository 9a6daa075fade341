"""`/api/token/sessions`: where the caller is logged in, and how to end that."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from auth_service.errors import (
    InvalidToken,
    NotAuthenticated,
    SessionNotFound,
    Unavailable,
    ValidationFailed,
)
from auth_service.routes.dependencies import Caller, app_state, origin_of
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import errors
from auth_service.schemas import SessionList, SessionOut
from auth_service.tokens import sessions

router = APIRouter(
    prefix="/api/token/sessions",
    tags=["sessions"],
    route_class=StrictRoute,
    responses=errors(NotAuthenticated, InvalidToken, Unavailable),
)


def current_session(request: Request, _user: Caller) -> UUID | None:
    """Return the session of the access token; None if an earlier release issued the token."""
    session_id: UUID | None = request.state.session_id
    return session_id


CurrentSession = Annotated[UUID | None, Depends(current_session)]


@router.get(
    "",
    operation_id="listSessions",
    summary="List the caller's sessions",
    response_description="The live sessions.",
)
def list_sessions(user: Caller, current_id: CurrentSession, request: Request) -> SessionList:
    """A session begins with a log-in and lives as long as its refresh token is used in time."""
    state = app_state(request)
    with state.autocommit.connect() as connection:
        found = sessions.live_sessions(
            connection, user.id, current_id=current_id, now=state.clock()
        )
    return SessionList(results=[SessionOut.model_validate(session) for session in found])


@router.delete(
    "/{session_id}",
    operation_id="endSession",
    summary="End one session",
    response_description="The session has ended.",
    status_code=204,
    responses=errors(ValidationFailed, SessionNotFound),
)
def end_session(session_id: UUID, user: Caller, request: Request) -> Response:
    """Its refresh token is refused at once, and its access token by auth-service.

    A service that verifies access tokens by their signature alone accepts the last one until it
    expires. If you suspect a theft, call `POST /api/token/revoke-all`.
    """
    state, origin = app_state(request), origin_of(request, user.id)
    with state.engine.begin() as connection:
        sessions.end(connection, session_id, user_id=user.id, origin=origin, now=state.clock())
    return Response(status_code=204)


@router.post(
    "/end-others",
    operation_id="endOtherSessions",
    summary="End all sessions but the current one",
    response_description="All other sessions have ended.",
    status_code=204,
)
def end_other_sessions(user: Caller, current_id: CurrentSession, request: Request) -> Response:
    """Access tokens of the ended sessions are treated as in `endSession`."""
    if current_id is None:
        # Only the token's next version names its session, and a client that gets a 401 refreshes.
        raise InvalidToken
    state, origin = app_state(request), origin_of(request, user.id)
    with state.engine.begin() as connection:
        sessions.end_others(
            connection, current_id, user_id=user.id, origin=origin, now=state.clock()
        )
    return Response(status_code=204)

"""`/internal/users/{id}/second-factor`: set up at a log-in of staff, and reset for who lost it."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from auth_service.errors import (
    BodyTooLarge,
    EnrolmentNotStarted,
    InvalidToken,
    MalformedBody,
    NotAuthenticated,
    SecondFactorActive,
    SuperuserRequired,
    Unavailable,
    UserNotFound,
    ValidationFailed,
    WrongCode,
)
from auth_service.routes.dependencies import InternalOrigin, app_state
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import errors
from auth_service.routes.second_factor import confirm_enrolment, shown, start_enrolment
from auth_service.schemas import CodeIn, NewSecondFactor, RecoveryCodes, UserOut
from auth_service.second_factor import enrolment
from auth_service.users import accounts, changes
from auth_service.users.accounts import User

router = APIRouter(
    prefix="/internal/users/{user_id}/second-factor",
    tags=["internal"],
    route_class=StrictRoute,
    responses=errors(NotAuthenticated, InvalidToken, ValidationFailed, UserNotFound, Unavailable),
)


@router.post(
    "",
    operation_id="startUserEnrolment",
    summary="Start to set up an account's second factor",
    response_description="A new secret waits for its first code.",
    status_code=204,
    responses=errors(SecondFactorActive),
)
def start(user_id: UUID, request: Request, _origin: InternalOrigin) -> Response:
    """For a user whose password the service has just checked."""
    start_enrolment(app_state(request), _user(request, user_id))
    return Response(status_code=204)


@router.get(
    "",
    operation_id="getUserEnrolment",
    summary="Get the secret that waits for its first code",
    response_description="The secret.",
    responses=errors(SecondFactorActive, EnrolmentNotStarted),
)
def pending(user_id: UUID, request: Request, _origin: InternalOrigin) -> NewSecondFactor:
    state, user = app_state(request), _user(request, user_id)
    with state.autocommit.connect() as connection:
        secret = enrolment.pending(connection, user, protection=state.second_factor.protection)
    return shown(state, user, secret)


@router.post(
    "/confirm",
    operation_id="confirmUserEnrolment",
    summary="Activate an account's second factor with its first code",
    response_description="The recovery codes.",
    responses=errors(
        MalformedBody, BodyTooLarge, WrongCode, SecondFactorActive, EnrolmentNotStarted
    ),
)
def confirm(user_id: UUID, body: CodeIn, request: Request, origin: InternalOrigin) -> RecoveryCodes:
    user = _user(request, user_id)
    return confirm_enrolment(app_state(request), user, body.code, origin=origin)


@router.delete(
    "",
    operation_id="resetUserSecondFactor",
    summary="Reset an account's second factor",
    response_description="The account.",
    responses=errors(SuperuserRequired),
)
def reset(user_id: UUID, request: Request, origin: InternalOrigin) -> UserOut:
    """For a user who has lost it. Revokes all tokens of the account; repeating changes nothing."""
    state = app_state(request)
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        return UserOut.model_validate(changes.reset_second_factor(change, user_id))


def _user(request: Request, user_id: UUID) -> User:
    with app_state(request).autocommit.connect() as connection:
        return accounts.get(connection, user_id)

"""`/internal/invitations`: staff invite people to sign up."""

from fastapi import APIRouter, Request, Response

from auth_service.errors import (
    BodyTooLarge,
    EmailTaken,
    InvalidToken,
    MailNotConfigured,
    MalformedBody,
    NotAuthenticated,
    SignUpClosed,
    Unavailable,
    ValidationFailed,
)
from auth_service.routes.dependencies import InternalOrigin, app_state
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import errors
from auth_service.schemas import InvitationIn
from auth_service.users.account_requests import Answers, SignUp

router = APIRouter(prefix="/internal", tags=["internal"], route_class=StrictRoute)


@router.post(
    "/invitations",
    operation_id="inviteUser",
    summary="Send a link to sign up",
    response_description="The mail is on its way.",
    status_code=204,
    responses=errors(
        MalformedBody,
        ValidationFailed,
        BodyTooLarge,
        NotAuthenticated,
        InvalidToken,
        SignUpClosed,
        MailNotConfigured,
        EmailTaken,
        Unavailable,
    ),
)
def invite(body: InvitationIn, request: Request, origin: InternalOrigin) -> Response:
    """The link is good for seven days. A second invitation to the same address replaces it.

    Only with `SIGNUP=invite` or `open`.
    """
    state = app_state(request)
    if state.sign_up is SignUp.CLOSED:
        raise SignUpClosed
    if not state.has_mail:
        raise MailNotConfigured
    with state.engine.begin() as connection:
        answers = Answers(tokens=state.one_time)
        answers.invite(connection, body.email, origin=origin, now=state.clock())
    return Response(status_code=204)

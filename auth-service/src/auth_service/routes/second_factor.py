"""`/api/token/second-factor…`: complete a log-in with a code; set up, see and disable codes."""

import asyncio

from fastapi import APIRouter, Request, Response

from auth_service.audit import Origin
from auth_service.errors import (
    BodyTooLarge,
    ChallengeNotValid,
    CrossSiteRequest,
    EnrolmentNotStarted,
    InvalidToken,
    MalformedBody,
    NotAuthenticated,
    Overloaded,
    SecondFactorActive,
    SecondFactorLocked,
    SecondFactorNotActive,
    TooManyAttempts,
    Unavailable,
    ValidationFailed,
    WrongCode,
    WrongPassword,
)
from auth_service.routes.dependencies import AppState, Caller, app_state, client_ip, origin_of
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.openapi_responses import SETS_COOKIE, errors
from auth_service.routes.token import log_in
from auth_service.schemas import (
    AccessToken,
    ChallengeAnswer,
    CodeConfirmation,
    NewSecondFactor,
    PasswordAndProof,
    PasswordConfirmation,
    RecoveryCodes,
    SecondFactorStatus,
    TokenPair,
)
from auth_service.schemas import Proof as ProofIn
from auth_service.second_factor import codes, enrolment
from auth_service.second_factor.proof import Proof
from auth_service.users import changes
from auth_service.users.accounts import User

_BODY_ERRORS = (MalformedBody, ValidationFailed, BodyTooLarge)
_CALLER_ERRORS = (NotAuthenticated, InvalidToken, Unavailable)
_PASSWORD_ERRORS = (WrongPassword, TooManyAttempts, Overloaded)
_PROOF_ERRORS = (WrongCode, SecondFactorLocked)

router = APIRouter(
    prefix="/api/token/second-factor", tags=["second factor"], route_class=StrictRoute
)


@router.post(
    "",
    operation_id="completeLogIn",
    summary="Complete a log-in with a second factor",
    response_description="Both tokens.",
    response_model=TokenPair | AccessToken,
    responses=SETS_COOKIE
    | errors(
        *_BODY_ERRORS,
        ChallengeNotValid,
        *_PROOF_ERRORS,
        CrossSiteRequest,
        TooManyAttempts,
        Unavailable,
    ),
    openapi_extra={"security": []},
)
def complete(body: ChallengeAnswer, request: Request) -> Response:
    """Takes the challenge of `POST /api/token/obtain` and a code of the app or a recovery code.

    A challenge is valid for five minutes, for five tries and for one log-in. A code is accepted
    once. The refresh token goes where `refresh_in` of that call said.
    """
    state, origin = app_state(request), origin_of(request)
    user, options = state.second_factor.complete(body.challenge, _proof(body), origin=origin)
    refresh_in = options.get("refresh_in", "body")
    if refresh_in == "cookie":
        state.refresh_cookie.check_origin(request)
    origin = origin_of(request, user.id)
    return log_in(
        state,
        user,
        username=user.username,
        origin=origin,
        method="second_factor",
        refresh_in=refresh_in,
        audience=options.get("audience"),
    )


@router.get(
    "",
    operation_id="getSecondFactor",
    summary="Get the state of the caller's second factor",
    response_description="The state.",
    responses=errors(*_CALLER_ERRORS),
)
def status(user: Caller, request: Request) -> SecondFactorStatus:
    with app_state(request).autocommit.connect() as connection:
        return SecondFactorStatus.model_validate(enrolment.status(connection, user))


@router.post(
    "/enrol",
    operation_id="startEnrolment",
    summary="Start to set up a second factor",
    response_description="A new secret.",
    responses=errors(*_BODY_ERRORS, *_CALLER_ERRORS, *_PASSWORD_ERRORS, SecondFactorActive),
)
async def enrol(body: PasswordConfirmation, user: Caller, request: Request) -> NewSecondFactor:
    """Returns a secret for an authenticator app. Nothing changes until a code confirms it."""
    state, ip = app_state(request), client_ip(request)
    await state.login.confirm(user, body.current_password, client_ip=ip)
    return await asyncio.to_thread(start_enrolment, state, user)


@router.post(
    "/confirm",
    operation_id="confirmEnrolment",
    summary="Activate the second factor with its first code",
    response_description="The recovery codes.",
    responses=errors(
        *_BODY_ERRORS, *_CALLER_ERRORS, WrongCode, SecondFactorActive, EnrolmentNotStarted
    ),
)
def confirm(body: CodeConfirmation, user: Caller, request: Request) -> RecoveryCodes:
    """Log-ins need a code from now on. Keep the recovery codes: they are not shown again."""
    origin = origin_of(request, user.id)
    return confirm_enrolment(app_state(request), user, body.code, origin=origin)


@router.post(
    "/recovery-codes",
    operation_id="replaceRecoveryCodes",
    summary="Replace the recovery codes",
    response_description="The new recovery codes.",
    responses=errors(
        *_BODY_ERRORS,
        *_CALLER_ERRORS,
        *_PASSWORD_ERRORS,
        *_PROOF_ERRORS,
        SecondFactorNotActive,
    ),
)
async def replace_recovery_codes(
    body: PasswordAndProof, user: Caller, request: Request
) -> RecoveryCodes:
    """Takes the current password and a code or recovery code. The old recovery codes end."""
    state, origin = app_state(request), origin_of(request, user.id)
    await _prove_both(state, user, body, origin=origin)
    return await asyncio.to_thread(_replace_recovery_codes, state, user, origin)


@router.post(
    "/disable",
    operation_id="disableSecondFactor",
    summary="Disable the second factor",
    response_description="Log-ins need the password alone.",
    status_code=204,
    responses=errors(
        *_BODY_ERRORS,
        *_CALLER_ERRORS,
        *_PASSWORD_ERRORS,
        *_PROOF_ERRORS,
        SecondFactorNotActive,
    ),
)
async def disable(body: PasswordAndProof, user: Caller, request: Request) -> Response:
    """Takes the current password and a code or recovery code."""
    state, origin = app_state(request), origin_of(request, user.id)
    await _prove_both(state, user, body, origin=origin)
    await asyncio.to_thread(_disable, state, user, origin)
    return Response(status_code=204)


def start_enrolment(state: AppState, user: User) -> NewSecondFactor:
    """Give a user a new secret.

    Raises:
        SecondFactorActive: The user has a second factor.
    """
    with state.engine.begin() as connection:
        secret = enrolment.start(
            connection, user, protection=state.second_factor.protection, now=state.clock()
        )
    return shown(state, user, secret)


def shown(state: AppState, user: User, secret: str) -> NewSecondFactor:
    """Return a secret as an app takes it."""
    uri = codes.otpauth_uri(secret, username=user.username, issuer=state.second_factor.issuer)
    return NewSecondFactor(secret=secret, otpauth_uri=uri, qr_code=codes.qr_code(uri))


def confirm_enrolment(state: AppState, user: User, code: str, *, origin: Origin) -> RecoveryCodes:
    """Activate a user's second factor.

    Raises:
        SecondFactorActive: The user has a second factor.
        EnrolmentNotStarted: There is no secret to confirm.
        WrongCode: The code is not one of the secret's.
    """
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        created = enrolment.confirm(change, user, code, protection=state.second_factor.protection)
    return RecoveryCodes(recovery_codes=created)


async def _prove_both(
    state: AppState, user: User, body: PasswordAndProof, *, origin: Origin
) -> None:
    proof = _proof(body)
    await state.login.confirm(user, body.current_password, client_ip=origin.client)
    await asyncio.to_thread(state.second_factor.prove, user, proof, origin=origin)


def _proof(body: ProofIn) -> Proof:
    if (body.code is None) == (body.recovery_code is None):
        raise ValidationFailed({"code": ["Send either code or recovery_code"]})
    return Proof(code=body.code, recovery_code=body.recovery_code)


def _replace_recovery_codes(state: AppState, user: User, origin: Origin) -> RecoveryCodes:
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        created = enrolment.replace_recovery_codes(
            change, user, protection=state.second_factor.protection
        )
    return RecoveryCodes(recovery_codes=created)


def _disable(state: AppState, user: User, origin: Origin) -> None:
    with changes.change(state.engine, origin=origin, now=state.clock()) as change:
        changes.disable_second_factor(change, user)

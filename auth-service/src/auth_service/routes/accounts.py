"""`/api/account/…`: sign up, verify or change an address, reset a password, each by a mail.

Each takes two calls: the first asks for a mail, the second sends the token of the mail's link. The
pages of `account_pages.py` make the same calls for people without a front end.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from auth_service.errors import (
    BodyTooLarge,
    EmailTaken,
    InvalidToken,
    MailNotConfigured,
    MalformedBody,
    NotAuthenticated,
    OneTimeTokenNotValid,
    Overloaded,
    SignUpClosed,
    TooManyAttempts,
    TooManyRequests,
    Unavailable,
    UsernameTaken,
    ValidationFailed,
    WrongPassword,
)
from auth_service.routes.dependencies import AppState, Caller, app_state, client_ip, origin_of
from auth_service.routes.middleware import StrictRoute
from auth_service.routes.new_passwords import hash_new_password
from auth_service.routes.openapi_responses import errors
from auth_service.schemas import (
    Account,
    EmailChange,
    EmailIn,
    LinkToken,
    MailPromised,
    NewAccount,
    PasswordReset,
)
from auth_service.tokens.one_time import OneTimeTokens, Purpose
from auth_service.users import account_requests, by_link, changes
from auth_service.users.account_requests import SignUp
from auth_service.users.accounts import User, get
from auth_service.users.changes import Change

router = APIRouter(prefix="/api/account", tags=["self-service"], route_class=StrictRoute)
_PUBLIC: dict[str, Any] = {"security": []}
_BODY_ERRORS = (MalformedBody, ValidationFailed, BodyTooLarge, Unavailable)
_MAIL_ERRORS = (MailNotConfigured, TooManyRequests)
_CALLER_ERRORS = (NotAuthenticated, InvalidToken)
_USERNAMES_PER_LINK = 30
_PROMISED = MailPromised(detail="If this address can be used, a mail is on its way.")


@router.post(
    "/sign-up",
    operation_id="signUp",
    summary="Ask for a link to sign up",
    response_description="Accepted. The answer is the same whether or not there is an account.",
    status_code=202,
    responses=errors(*_BODY_ERRORS, SignUpClosed, *_MAIL_ERRORS),
    openapi_extra=_PUBLIC,
)
async def sign_up(body: EmailIn, request: Request) -> MailPromised:
    """The mail has a link to choose a username and a password. If the address already belongs to
    an account, the mail says so instead.

    Only with `SIGNUP=open`.
    """
    await ask_to_sign_up(request, body.email)
    return _PROMISED


@router.post(
    "/sign-up/confirm",
    operation_id="confirmSignUp",
    summary="Create the account of a link",
    response_description="The new account. Log in with `POST /api/token/obtain`.",
    status_code=201,
    responses=errors(
        *_BODY_ERRORS,
        OneTimeTokenNotValid,
        SignUpClosed,
        UsernameTaken,
        EmailTaken,
        TooManyRequests,
        Overloaded,
    ),
    openapi_extra=_PUBLIC,
)
async def confirm_sign_up(body: NewAccount, request: Request) -> Account:
    """The token comes from a sign-up or an invitation. If the username is taken, the token is still
    good for another one.
    """
    user = await create_account(request, body.token, username=body.username, password=body.password)
    return Account.model_validate(user)


@router.post(
    "/verify-email",
    operation_id="verifyEmail",
    summary="Ask for a link to verify the caller's address",
    response_description="Accepted.",
    status_code=202,
    responses=errors(*_CALLER_ERRORS, *_MAIL_ERRORS, Unavailable),
)
async def verify_email(user: Caller, request: Request) -> MailPromised:
    """No mail is sent if the account has no address or has verified it."""
    state = app_state(request)
    _require_mail(state)
    if user.email and not user.email_verified_at:
        await _ask(request, Purpose.VERIFY_EMAIL, user.email, user=user)
    return _PROMISED


@router.post(
    "/verify-email/confirm",
    operation_id="confirmEmail",
    summary="Verify the address of a link",
    response_description="The address is verified.",
    status_code=204,
    responses=errors(*_BODY_ERRORS, OneTimeTokenNotValid, EmailTaken),
    openapi_extra=_PUBLIC,
)
async def confirm_email(body: LinkToken, request: Request) -> Response:
    """One address can be verified by one account only."""
    await use_link(request, by_link.verify_email, body.token)
    return Response(status_code=204)


@router.post(
    "/reset-password",
    operation_id="resetPassword",
    summary="Ask for a link to reset a password",
    response_description="Accepted. The answer is the same whether or not there is an account.",
    status_code=202,
    responses=errors(*_BODY_ERRORS, *_MAIL_ERRORS),
    openapi_extra=_PUBLIC,
)
async def reset_password(body: EmailIn, request: Request) -> MailPromised:
    """The mail goes to the active accounts with this address."""
    await ask_to_reset(request, body.email)
    return _PROMISED


@router.post(
    "/reset-password/confirm",
    operation_id="confirmPasswordReset",
    summary="Set the password of a link's account",
    response_description="The password is set, and all sessions have ended.",
    status_code=204,
    responses=errors(*_BODY_ERRORS, OneTimeTokenNotValid, Overloaded),
    openapi_extra=_PUBLIC,
)
async def confirm_password_reset(body: PasswordReset, request: Request) -> Response:
    """Revokes all tokens of the account. If the password is refused, the link is still good."""
    await replace_password(request, body.token, password=body.new_password)
    return Response(status_code=204)


@router.post(
    "/change-email",
    operation_id="changeEmail",
    summary="Ask for a link to change the caller's address",
    response_description="Accepted.",
    status_code=202,
    responses=errors(
        *_BODY_ERRORS, *_CALLER_ERRORS, WrongPassword, *_MAIL_ERRORS, TooManyAttempts, Overloaded
    ),
)
async def change_email(body: EmailChange, user: Caller, request: Request) -> MailPromised:
    """The link goes to the new address; the account keeps the old one until it is opened."""
    state = app_state(request)
    _require_mail(state)
    await state.login.confirm(user, body.current_password, client_ip=client_ip(request))
    await _ask(request, Purpose.CHANGE_EMAIL, body.new_email, user=user)
    return _PROMISED


@router.post(
    "/change-email/confirm",
    operation_id="confirmEmailChange",
    summary="Change to the address of a link",
    response_description="The account has the new address. A mail to the old one says so.",
    status_code=204,
    responses=errors(*_BODY_ERRORS, OneTimeTokenNotValid, EmailTaken),
    openapi_extra=_PUBLIC,
)
async def confirm_email_change(body: LinkToken, request: Request) -> Response:
    """The new address is verified by this."""
    await use_link(request, by_link.change_email, body.token)
    return Response(status_code=204)


async def ask_to_sign_up(request: Request, email: str) -> None:
    """Store the request of a stranger for an account."""
    if app_state(request).sign_up is not SignUp.OPEN:
        raise SignUpClosed
    await _ask(request, Purpose.SIGN_UP, email)


async def ask_to_reset(request: Request, email: str) -> None:
    """Store the request of a stranger for a new password."""
    await _ask(request, Purpose.RESET_PASSWORD, email)


async def create_account(
    request: Request, unverified_token: str, *, username: str, password: str
) -> User:
    """Create the account of a sign-up or an invitation.

    Raises:
        AuthError: One of those that `confirmSignUp` documents.
    """
    state = app_state(request)
    if state.sign_up is SignUp.CLOSED:
        raise SignUpClosed
    email = await asyncio.to_thread(_check_sign_up, state, unverified_token, client_ip(request))
    password_hash = await hash_new_password(
        state, password, username=username, email=email, field="password"
    )
    create = partial(by_link.sign_up, username=username, password_hash=password_hash)
    return await use_link(request, create, unverified_token)


async def replace_password(request: Request, unverified_token: str, *, password: str) -> None:
    """Set the password of the account that a link was sent for.

    Raises:
        AuthError: One of those that `confirmPasswordReset` documents.
    """
    state = app_state(request)
    user = await asyncio.to_thread(_owner_of, state, unverified_token)
    password_hash = await hash_new_password(
        state, password, username=user.username, email=user.email
    )
    replace = partial(by_link.reset_password, password_hash=password_hash)
    await use_link(request, replace, unverified_token)


async def use_link(
    request: Request, action: Callable[[Change, OneTimeTokens, str], User], unverified_token: str
) -> User:
    """Do what a link is good for, and use it up, in one transaction.

    Args:
        action: A function of `by_link`.
    """
    state, origin = app_state(request), origin_of(request)

    def run() -> User:
        with changes.change(state.engine, origin=origin, now=state.clock()) as change:
            return action(change, state.one_time, unverified_token)

    return await asyncio.to_thread(run)


async def _ask(request: Request, purpose: Purpose, email: str, *, user: User | None = None) -> None:
    state, ip = app_state(request), client_ip(request)
    _require_mail(state)

    def run() -> None:
        now = state.clock()
        with state.autocommit.connect() as connection:
            # A statement of its own: a refused request stays counted.
            subject = str(user.id) if user else email
            state.throttle.count_request(connection, subject, client_ip=ip, now=now)
            account_requests.ask(
                connection, purpose, email=email, user_id=user.id if user else None, now=now
            )

    await asyncio.to_thread(run)


def _require_mail(state: AppState) -> None:
    if not state.has_mail:
        raise MailNotConfigured


def _check_sign_up(state: AppState, unverified_token: str, ip: str) -> str:
    now = state.clock()
    with state.autocommit.connect() as connection:
        token = state.one_time.find(connection, unverified_token, Purpose.SIGN_UP, now=now)
        # Each attempt says whether a username is taken, so the holder of a link gets only so many.
        state.throttle.count_request(
            connection, str(token.id), client_ip=ip, now=now, limit=_USERNAMES_PER_LINK
        )
    return token.email


def _owner_of(state: AppState, unverified_token: str) -> User:
    now = state.clock()
    with state.autocommit.connect() as connection:
        token = state.one_time.find(connection, unverified_token, Purpose.RESET_PASSWORD, now=now)
        if token.user_id is None:
            raise OneTimeTokenNotValid
        return get(connection, token.user_id)

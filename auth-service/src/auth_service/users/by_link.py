"""What the links of mails do: sign up, verify an address, reset a password, change an address."""

from auth_service.errors import OneTimeTokenNotValid
from auth_service.tokens.one_time import OneTimeToken, OneTimeTokens, Purpose
from auth_service.users import changes
from auth_service.users.accounts import User, get
from auth_service.users.changes import Change, NewUser


def sign_up(
    change: Change,
    tokens: OneTimeTokens,
    unverified_token: str,
    *,
    username: str,
    password_hash: str,
) -> User:
    """Create the account of a sign-up, with the address that its mail went to.

    Raises:
        OneTimeTokenNotValid: The link is no longer good.
        UsernameTaken: Another account has this username; the link is still good.
        EmailTaken: Another account has verified the address meanwhile.
    """
    token = tokens.consume(change.connection, unverified_token, Purpose.SIGN_UP, now=change.now)
    new = NewUser(username=username, email=token.email, email_verified_at=change.now)
    return changes.create(change, new, password_hash=password_hash)


def verify_email(change: Change, tokens: OneTimeTokens, unverified_token: str) -> User:
    """Note that a user reads the mails sent to the account's address.

    Raises:
        OneTimeTokenNotValid: The link is no longer good, or the account has another address now.
        EmailTaken: Another account has verified this address.
    """
    token = tokens.consume(
        change.connection, unverified_token, Purpose.VERIFY_EMAIL, now=change.now
    )
    user = _owner(change, token)
    if user.email != token.email:
        raise OneTimeTokenNotValid
    return changes.set_verified_email(change, user, token.email)


def reset_password(
    change: Change, tokens: OneTimeTokens, unverified_token: str, *, password_hash: str
) -> User:
    """Replace the password of a user who opened the link, which ends all sessions.

    Raises:
        OneTimeTokenNotValid: The link is no longer good.
    """
    token = tokens.consume(
        change.connection, unverified_token, Purpose.RESET_PASSWORD, now=change.now
    )
    return changes.reset_password(change, _owner(change, token), password_hash=password_hash)


def change_email(change: Change, tokens: OneTimeTokens, unverified_token: str) -> User:
    """Give an account the address that the link was sent to.

    Raises:
        OneTimeTokenNotValid: The link is no longer good.
        EmailTaken: Another account has verified this address.
    """
    token = tokens.consume(
        change.connection, unverified_token, Purpose.CHANGE_EMAIL, now=change.now
    )
    return changes.set_verified_email(change, _owner(change, token), token.email)


def _owner(change: Change, token: OneTimeToken) -> User:
    if token.user_id is None:
        raise OneTimeTokenNotValid
    return get(change.connection, token.user_id)

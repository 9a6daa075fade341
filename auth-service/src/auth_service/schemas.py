"""The JSON of requests and responses, and how each field is validated."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from auth_service.passwords.policy import MAXIMUM_LENGTH

_USERNAME = re.compile(r"[\w.@+-]+")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]+")
_MAIL_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f()<>\[\]:;,\\\"]{1,64}@[\w-]+(\.[\w-]+)+")
_INVISIBLE_LETTERS = {"\u115f", "\u1160"}
_LONGEST_USERNAME = 150
_LONGEST_TOKEN = 8000
_CODE = re.compile(r"[0-9]{6}")


def _without_nul(value: str) -> str:
    # PostgreSQL cannot store it.
    if "\0" in value:
        raise ValueError("Remove the NUL characters")
    return value


def _in_utc(value: datetime) -> datetime:
    # PostgreSQL knows no offset of 16 hours and more.
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("Use a time between the years 1 and 9999 of UTC") from None


def _username(value: str) -> str:
    value = unicodedata.normalize("NFKC", value)
    # NFKC can turn one character into eighteen.
    if len(value) > _LONGEST_USERNAME:
        raise ValueError(f"Use at most {_LONGEST_USERNAME} characters, counted after Unicode NFKC")
    # The Hangul fillers count as letters, but nothing of them is visible.
    if not _USERNAME.fullmatch(value) or not _INVISIBLE_LETTERS.isdisjoint(value):
        raise ValueError("Use letters, digits and @ . + - _ only")
    return value


def _email(value: str) -> str:
    if value and not _EMAIL.fullmatch(value):
        raise ValueError("Enter an email address")
    return value


def _code(value: str) -> str:
    # Apps show the digits in two groups.
    digits = value.replace(" ", "")
    if not _CODE.fullmatch(digits):
        raise ValueError("Enter the six digits that the app shows")
    return digits


def _mail_address(value: str) -> str:
    # Stricter than what staff may enter: it comes from strangers, and we write to it. No quoted
    # names, and so nothing that mail servers read as a second address or as a comment.
    if not _MAIL_ADDRESS.fullmatch(value):
        raise ValueError("Enter an email address")
    return value


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_rfc3339)]
LoginName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_USERNAME),
    AfterValidator(_without_nul),
]
Username = Annotated[
    str, StringConstraints(min_length=1, max_length=_LONGEST_USERNAME), AfterValidator(_username)
]
Email = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]
MailAddress = Annotated[str, StringConstraints(max_length=254), AfterValidator(_mail_address)]
SearchText = Annotated[str, StringConstraints(max_length=254), AfterValidator(_without_nul)]
Code = Annotated[str, StringConstraints(max_length=16), AfterValidator(_code)]
RecoveryCode = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Challenge = Annotated[str, Field(min_length=1, max_length=128, repr=False)]
AuditSource = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(_without_nul)
]
Password = Annotated[str, Field(min_length=1, max_length=MAXIMUM_LENGTH, repr=False)]
Token = Annotated[str, Field(min_length=1, max_length=_LONGEST_TOKEN, repr=False)]

_ServiceName = Annotated[str, StringConstraints(min_length=1, max_length=100)]


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


Audience = Annotated[
    _ServiceName | Annotated[list[_ServiceName], Field(min_length=1, max_length=20)],
    AfterValidator(_as_list),
    Field(examples=[["billing-service"]]),
]

_LINK_EXAMPLE = "3q2-7wQk0nJ9yVZ1mXc5b8Tt4Rr6Ss2Uu0Ww1Xx3Yy4"
_JWS_EXAMPLE = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjdTSjNnV21QMW5IMGI2bTN5cTVaSzBtSnEwdkpYb1Ew..."


class Body(BaseModel):
    """A request of the public API. Unknown members are ignored."""


class StrictBody(BaseModel):
    """A request of the internal API.

    Unknown members and values of another type are refused: they are bugs of the caller.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


RefreshIn = Annotated[
    Literal["body", "cookie", "none"],
    Field(
        description="Where the refresh token goes: `cookie` keeps it from a page's scripts. Such a "
        "request has to come from a page of this site or of `ALLOWED_ORIGINS`. `none` returns no "
        "refresh token: the session ends with its access token."
    ),
]


class Credentials(Body):
    """A username and a password."""

    username: LoginName = Field(examples=["admin"])
    password: Password = Field(examples=["qweqweqwE1"], json_schema_extra={"format": "password"})
    refresh_in: RefreshIn = "body"
    audience: Audience | None = Field(
        default=None,
        description="The services that the tokens are for, or one of them; by default all.",
    )


class RefreshRequest(Body):
    """The refresh token to exchange."""

    refresh: Token = Field(
        default_factory=str, examples=[_JWS_EXAMPLE], description="Left out if it is in the cookie."
    )
    audience: Audience | None = Field(
        default=None,
        description="The services that this access token is for: some of those of the session.",
    )


class TokenRequest(Body):
    """An access token or a refresh token."""

    token: Token = Field(examples=[_JWS_EXAMPLE])


class PasswordChange(Body):
    """The caller's current and new password."""

    current_password: Password = Field(json_schema_extra={"format": "password"})
    new_password: Password = Field(json_schema_extra={"format": "password"})
    refresh_in: RefreshIn = "body"


class Proof(Body):
    """Either a code of the app or a recovery code."""

    code: Code | None = Field(default=None, examples=["492039"])
    recovery_code: RecoveryCode | None = Field(
        default=None, description="In place of `code`.", examples=["4MFO-AH3Q-WZ7K-2LNB"]
    )


class ChallengeAnswer(Proof):
    """The challenge of a log-in, and a code or recovery code."""

    challenge: Challenge = Field(examples=["7vE0mJ0XoDIbcmJ1QZ3a0dMkTMZy0m3H8b9h7bT0a5E"])


class PasswordConfirmation(Body):
    """The caller's current password."""

    current_password: Password = Field(json_schema_extra={"format": "password"})


class PasswordAndProof(PasswordConfirmation, Proof):
    """The caller's current password, and a code or recovery code."""


class CodeConfirmation(Body):
    """The first code that the app shows."""

    code: Code = Field(examples=["492039"])


class NewSecondFactor(BaseModel):
    """A secret for an app. It is active once a code confirms it."""

    secret: str = Field(
        description="In base 32, to type into an app.",
        examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )
    otpauth_uri: str = Field(
        description="For an app on the same device.",
        examples=["otpauth://totp/Shop:ada?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Shop"],
    )
    qr_code: str = Field(
        description="The same as a QR code: an SVG document.", examples=["<svg …></svg>"]
    )


class RecoveryCodes(BaseModel):
    """Ten recovery codes, each for one log-in. They are shown this once."""

    recovery_codes: list[str] = Field(examples=[["4MFO-AH3Q-WZ7K-2LNB"]])


class SecondFactorStatus(BaseModel):
    """The state of the caller's second factor."""

    model_config = ConfigDict(from_attributes=True)

    enabled_at: Moment | None = Field(description="Null while there is none.")
    last_used_at: Moment | None
    recovery_codes_left: int


class EmailIn(Body):
    """Where to send a mail."""

    email: MailAddress = Field(examples=["ada@example.org"])


class EmailChange(Body):
    """The caller's new address, and the current password."""

    new_email: MailAddress = Field(examples=["ada@example.com"])
    current_password: Password = Field(json_schema_extra={"format": "password"})


class LinkToken(Body):
    """The token of the link in a mail."""

    token: Token = Field(examples=[_LINK_EXAMPLE])


class NewAccount(LinkToken):
    """The username and the password of an account whose address is confirmed by the link."""

    username: Username = Field(examples=["ada"])
    password: Password = Field(json_schema_extra={"format": "password"})


class PasswordReset(LinkToken):
    """The new password of the account that the link was sent for."""

    new_password: Password = Field(json_schema_extra={"format": "password"})


class MailPromised(BaseModel):
    """The request was accepted. Whether a mail follows depends on what is not revealed here."""

    detail: str = Field(examples=["If this address can be used, a mail is on its way."])


class TokenPair(BaseModel):
    """A refresh token and an access token."""

    refresh: str = Field(examples=[_JWS_EXAMPLE])
    access: str = Field(examples=[_JWS_EXAMPLE])


class AccessToken(BaseModel):
    """An access token; the refresh token, if any, is in the cookie that the response sets."""

    access: str = Field(examples=[_JWS_EXAMPLE])


class Account(BaseModel):
    """The caller's own account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    username: str = Field(examples=["ada"])
    email: str = Field(examples=["ada@example.org"])
    email_verified_at: Moment | None
    is_staff: bool
    is_superuser: bool
    created_at: Moment
    last_login_at: Moment | None
    second_factor_at: Moment | None = Field(
        description="Since when log-ins need the second factor; null while there is none."
    )


class SessionOut(BaseModel):
    """A session of the caller: one log-in, and all that was refreshed from it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: Moment | None = Field(description="Null if an earlier release began the session.")
    last_used_at: Moment = Field(description="When its latest tokens were issued.")
    user_agent: str | None = Field(
        description="The program that logged in, as it describes itself; at most 200 characters.",
        examples=["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
    )
    client_ip: str | None = Field(
        description="The address that logged in.", examples=["203.0.113.9"]
    )
    current: bool = Field(description="Whether this request's access token belongs to it.")


class SessionList(BaseModel):
    """The current session first, then the latest used; at most 100."""

    results: list[SessionOut]


class UserOut(BaseModel):
    """An account, for other services."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    username: str
    email: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    auth_epoch: int
    version: int
    created_at: Moment
    updated_at: Moment
    last_login_at: Moment | None
    second_factor_at: Moment | None = None


class NewUserIn(StrictBody):
    """An account to create."""

    username: Username
    password: Password
    email: Email = ""
    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False


class UserChangeIn(StrictBody):
    """The fields to change. A field that is not sent stays as it is."""

    username: Username | None = None
    email: Email | None = None
    is_active: bool | None = None
    is_staff: bool | None = None
    is_superuser: bool | None = None


class InvitationIn(StrictBody):
    """Whom to invite."""

    email: MailAddress


class NewPasswordIn(StrictBody):
    """A password set by staff, or by the account's own user with the current one."""

    password: Password
    current_password: str | None = Field(
        default=None, min_length=1, max_length=MAXIMUM_LENGTH, repr=False
    )


class CodeIn(StrictBody):
    """The first code of a new second factor."""

    code: Code


class UserPage(BaseModel):
    """One page of accounts."""

    results: list[UserOut]
    next_after: UUID | None


class FeedEntry(BaseModel):
    """An account and the position of its latest change."""

    seq: int
    deleted: bool
    user: UserOut


class FeedPage(BaseModel):
    """Changes in the order of their commits."""

    changes: list[FeedEntry]
    next_after: int


class AuditEventOut(BaseModel):
    """One event of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: Moment
    actor_id: UUID | None
    source: str
    action: str
    user_id: UUID | None
    detail: dict[str, Any]


_Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class AuditFilters(BaseModel):
    """Which events of the audit log: those that match every filter that is given."""

    user_id: UUID | None = Field(default=None, description="Events of this account.")
    actor_id: UUID | None = Field(default=None, description="Events that this user caused.")
    action: str | None = Field(default=None, pattern=r"^[a-z_.]{1,64}$", examples=["login.refused"])
    source: AuditSource | None = Field(
        default=None, description="Events from this address, or by this service or command."
    )
    since: _Time | None = Field(default=None, description="At this time or later.")
    until: _Time | None = Field(default=None, description="Before this time.")


class AuditQuery(AuditFilters):
    """Filters, and which page."""

    before: int | None = Field(
        default=None, ge=0, le=2**63 - 1, description="`next_before` of the previous page."
    )
    limit: int = Field(default=100, ge=1, le=500)


class AuditExportIn(StrictBody):
    """What is exported."""

    format: Literal["csv", "jsonl"]
    filters: dict[str, Annotated[str, StringConstraints(max_length=100)]] = Field(
        max_length=10, description="The filters of the export, as they are recorded."
    )


class AuditPage(BaseModel):
    """Events of the audit log, newest first."""

    results: list[AuditEventOut]
    next_before: int | None


class ServiceToken(BaseModel):
    """A token for the internal API (RFC 6749 §5.1)."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 # an authentication scheme
    expires_in: int


class ServerMetadata(BaseModel):
    """The addresses and abilities of this authorization server (RFC 8414 §2)."""

    issuer: str
    jwks_uri: str
    token_endpoint: str
    revocation_endpoint: str
    revocation_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    access_token_signing_alg_values_supported: list[str]
    service_documentation: str


class ErrorResponse(BaseModel):
    """The body of every error response. `code` is stable; `detail` is for people."""

    detail: str
    code: str
    errors: dict[str, list[str]] | None = Field(
        default=None, description="Sentences by field. Only with `validation_error`."
    )
    error_codes: dict[str, list[str]] | None = Field(
        default=None, description="Stable codes by field. Only for a refused password."
    )
    challenge: str | None = Field(default=None, description="Only with `second_factor_required`.")
    expires_in: int | None = Field(
        default=None,
        description="Seconds until the challenge ends. Only with `second_factor_required`.",
    )

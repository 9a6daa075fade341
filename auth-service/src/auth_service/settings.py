"""Reads the environment into one frozen, typed `Settings`."""

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.headerregistry import Address, HeaderRegistry
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from auth_service.mail.smtp import SmtpServer
from auth_service.users.account_requests import SignUp

# The passwords in .env.sample start with it.
_LOCAL_ONLY = "local-only-"
_DEMO_CLIENT_SECRET = "local-demo-secret-of-billing-service"  # noqa: S105 # refused outside local
_DEMO_SECOND_FACTOR_KEY = "local-only-second-factor-key-never-use-it-elsewhere"
_MINIMUM_SECRET_LENGTH = 32
_DAY_SECONDS = 86_400
# A century. More would be before the first year of the calendar.
_MOST_DAYS = 36_500
# The longest lifetime that verifiers accept.
_LONGEST_ACCESS_SECONDS = 3600

T = TypeVar("T")


class Environment(StrEnum):
    """Where the service runs. Only `local` accepts demo accounts and demo secrets."""

    LOCAL = "local"
    STAGING = "staging"
    PRODUCTION = "production"


class SettingsError(Exception):
    """A variable is missing or invalid; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration of the service.

    Attributes:
        issuer: `iss` of every token, compared as a string (RFC 8725 §3.8).
        public_url: URL of the gateway, without a trailing slash.
        token_audiences: The services that access tokens can be for.
        token_default_audiences: `aud` of access tokens for which no audience was asked.
        allowed_origins: Origins of other sites whose pages may use the refresh cookie.
        internal_client_secret: Password of billing-service at the internal token endpoint.
        second_factor_keys: Encrypt what proves a second factor. The first one encrypts; the others
            still decrypt, while a key is being replaced.
        refresh_replay_grace_seconds: How long a used refresh token still returns the current one.
        password_breach_lookup_url: Of Have I Been Pwned's range API; empty asks no one.
        forwarded_allow_ips: Proxies whose X-Forwarded-For is trusted, in uvicorn's syntax.
        max_sessions_per_user: A further log-in ends the session that was unused the longest.
        throttle_pair_failures: Failed log-ins of one account from one network before it waits.
        throttle_account_failures: Of one account from networks it never logged in from, in 15 min.
        throttle_source_failures: From one network over all accounts, in 15 minutes.
        workers: Processes that serve the API.
        sign_up: Who may create an account.
        smtp: Where mails are sent. Without it they stay in the database: in `local` a page shows
            them, elsewhere no call that sends a mail is accepted.
        mail_from: The sender of all mails.
        account_pages_url: Where the links of mails lead, without a trailing slash.
        audit_retention_days: Of events other than those of the next attribute.
        audit_login_retention_days: Of log-ins and ends of sessions.
        drain_seconds: Between SIGTERM and the end of new connections, for the gateway to notice.
    """

    environment: Environment
    log_level: str
    public_url: str
    issuer: str
    app_name: str
    token_audiences: tuple[str, ...]
    token_default_audiences: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    internal_client_secret: str
    second_factor_keys: tuple[str, ...]
    database_url: URL
    keys_dir: Path
    keys_passphrase_file: Path | None
    access_token_lifetime_seconds: int
    refresh_token_lifetime_seconds: int
    refresh_family_lifetime_seconds: int
    refresh_replay_grace_seconds: int
    max_sessions_per_user: int
    throttle_pair_failures: int
    throttle_account_failures: int
    throttle_source_failures: int
    password_breach_lookup_url: str
    forwarded_allow_ips: str
    workers: int
    sign_up: SignUp
    smtp: SmtpServer | None
    mail_from: Address
    account_pages_url: str
    audit_retention_days: int
    audit_login_retention_days: int
    drain_seconds: int

    @property
    def is_local(self) -> bool:
        return self.environment is Environment.LOCAL

    def derive_secret(self, purpose: str) -> bytes:
        """Derive a key: operators keep one secret, and no derived key is of use for another."""
        secret = self.internal_client_secret.encode()
        return hmac.digest(secret, purpose.encode(), hashlib.sha256)

    @property
    def has_mail(self) -> bool:
        """Whether mails reach their readers: by SMTP, or in `local` on a page."""
        return self.smtp is not None or self.is_local


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check every variable.

    Args:
        environ: An empty value counts as not set, because Compose passes unset variables as
            empty ones.

    Raises:
        SettingsError: Names the first variable that is missing or invalid.
    """
    read = _Reader(environ)
    environment = read("ENVIRONMENT", _environment, default="local")
    public_url = read("PUBLIC_URL", _url, default="http://localhost:8000")
    app_name = read("APP_NAME", _header_text, default="Stripe Assignment")
    smtp = read("SMTP_URL", _smtp_server, default="")
    refresh_lifetime = read("REFRESH_TOKEN_LIFETIME_SECONDS", _positive, default=str(_DAY_SECONDS))
    audiences = read("TOKEN_AUDIENCES", _audiences, default="auth-service,billing-service")
    return Settings(
        environment=environment,
        log_level=read("LOG_LEVEL", _log_level, default="INFO"),
        public_url=public_url,
        issuer=read("TOKEN_ISSUER", str, default=public_url),
        app_name=app_name,
        token_audiences=audiences,
        token_default_audiences=read(
            "TOKEN_DEFAULT_AUDIENCES", _among(audiences), default=",".join(audiences)
        ),
        allowed_origins=read("ALLOWED_ORIGINS", _origins, default=""),
        internal_client_secret=read(
            "AUTH_INTERNAL_CLIENT_SECRET",
            _secret_for(environment),
            default=_DEMO_CLIENT_SECRET if environment is Environment.LOCAL else None,
        ),
        second_factor_keys=read(
            "SECOND_FACTOR_KEY",
            _second_factor_keys_for(environment),
            default=_DEMO_SECOND_FACTOR_KEY if environment is Environment.LOCAL else None,
        ),
        database_url=read("AUTH_DATABASE_URL", _database_url_for(environment)),
        keys_dir=read("KEYS_DIR", Path, default="../keys"),
        keys_passphrase_file=read("KEYS_PASSPHRASE_FILE", _optional_path, default=""),
        access_token_lifetime_seconds=read(
            "ACCESS_TOKEN_LIFETIME_SECONDS", _at_most(_LONGEST_ACCESS_SECONDS), default="300"
        ),
        refresh_token_lifetime_seconds=refresh_lifetime,
        refresh_family_lifetime_seconds=read(
            "REFRESH_FAMILY_LIFETIME_SECONDS",
            _at_least(refresh_lifetime, "REFRESH_TOKEN_LIFETIME_SECONDS"),
            default=str(max(30 * _DAY_SECONDS, refresh_lifetime)),
        ),
        refresh_replay_grace_seconds=read("REFRESH_REPLAY_GRACE_SECONDS", _natural, default="10"),
        max_sessions_per_user=read("MAX_SESSIONS_PER_USER", _positive, default="50"),
        throttle_pair_failures=read("THROTTLE_PAIR_FAILURES", _positive, default="5"),
        throttle_account_failures=read("THROTTLE_ACCOUNT_FAILURES", _positive, default="20"),
        throttle_source_failures=read("THROTTLE_SOURCE_FAILURES", _positive, default="50"),
        password_breach_lookup_url=read("PASSWORD_BREACH_LOOKUP_URL", _optional_url, default=""),
        forwarded_allow_ips=read("FORWARDED_ALLOW_IPS", str, default="127.0.0.1"),
        workers=read("AUTH_WORKERS", _positive, default="2"),
        sign_up=read("SIGNUP", _sign_up(smtp, environment), default="closed"),
        smtp=smtp,
        mail_from=read(
            "MAIL_FROM", _sender, default=None if smtp else f"{app_name} <no-reply@localhost>"
        ),
        account_pages_url=read("ACCOUNT_PAGES_URL", _url, default=f"{public_url}/account"),
        audit_retention_days=read("AUDIT_RETENTION_DAYS", _days, default="365"),
        audit_login_retention_days=read("AUDIT_LOGIN_RETENTION_DAYS", _days, default="90"),
        drain_seconds=read("DRAIN_SECONDS", _natural, default="0"),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one variable; names it in every error."""

    environ: Mapping[str, str]

    def __call__(self, name: str, parse: Callable[[str], T], *, default: str | None = None) -> T:
        value = self.environ.get(name, "").strip() or default
        if value is None:
            raise SettingsError(f"{name} is not set.")
        try:
            return parse(value)
        except ValueError as error:
            raise SettingsError(f"{name} {error}.") from None


def _environment(value: str) -> Environment:
    try:
        return Environment(value)
    except ValueError:
        raise ValueError("must be local, staging or production") from None


def _log_level(value: str) -> str:
    if value not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or value.endswith("/"):
        raise ValueError("must be an http or https URL without a trailing slash")
    return value


def _optional_url(value: str) -> str:
    return _url(value) if value else ""


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers send it (RFC 6454 §6.2)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_default = parts.port in {None, {"http": 80, "https": 443}.get(parts.scheme)}
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in value.split(",") if origin.strip())
    for origin in origins:
        # Compared as a string, so any other spelling would never match.
        if urlsplit(origin).scheme not in {"http", "https"} or origin_of(origin) != origin:
            raise ValueError("must be origins such as https://app.example.com, comma-separated")
    return origins


def _database_url_for(environment: Environment) -> Callable[[str], URL]:
    def parse(value: str) -> URL:
        # The value may contain a password, so no message repeats it.
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError("must be a URL such as postgresql://user@host/database") from None
        if url.get_backend_name() != "postgresql":
            raise ValueError("must start with postgresql://")
        is_demo = str(url.password or "").startswith(_LOCAL_ONLY)
        if is_demo and environment is not Environment.LOCAL:
            raise ValueError(
                "contains a demo password, which is accepted with ENVIRONMENT=local only"
            )
        return url.set(drivername="postgresql+psycopg2")

    return parse


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _among(audiences: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(value: str) -> tuple[str, ...]:
        names = _names(value)
        if not names or not set(names) <= set(audiences):
            raise ValueError("must name services of TOKEN_AUDIENCES, separated by commas")
        return names

    return parse


def _audiences(value: str) -> tuple[str, ...]:
    names = _names(value)
    if "auth-service" not in names:
        raise ValueError("must include auth-service, which verifies its own access tokens")
    return names


def _secret_for(environment: Environment) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if environment is Environment.LOCAL:
            return value
        if len(value) < _MINIMUM_SECRET_LENGTH or value == _DEMO_CLIENT_SECRET:
            raise ValueError(
                f"must be a random secret of at least {_MINIMUM_SECRET_LENGTH} characters"
            )
        return value

    return parse


def _second_factor_keys_for(environment: Environment) -> Callable[[str], tuple[str, ...]]:
    def parse(value: str) -> tuple[str, ...]:
        keys = tuple(key.strip() for key in value.split(",") if key.strip())
        is_demo = any(key.startswith(_LOCAL_ONLY) for key in keys)
        is_short = any(len(key) < _MINIMUM_SECRET_LENGTH for key in keys)
        if not keys or (environment is not Environment.LOCAL and (is_demo or is_short)):
            raise ValueError(
                f"must be a random secret of at least {_MINIMUM_SECRET_LENGTH} characters, "
                "or several with commas between them"
            )
        return keys

    return parse


def _header_text(value: str) -> str:
    # It becomes part of the subjects of mails.
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


_SMTP_PORTS = {"smtps": 465, "smtp": 587, "smtp+plaintext": 25}


def _smtp_server(value: str) -> SmtpServer | None:
    if not value:
        return None
    # The value may contain a password, so no message repeats it.
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL such as smtp://user:password@host:587") from None
    if parts.scheme not in _SMTP_PORTS or not parts.hostname:
        raise ValueError("must start with smtp://, smtps:// or smtp+plaintext:// and name a host")
    if parts.scheme == "smtp+plaintext" and parts.password:
        raise ValueError("must not contain a password with smtp+plaintext://: anyone could read it")
    return SmtpServer(
        host=parts.hostname,
        port=port or _SMTP_PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        implicit_tls=parts.scheme == "smtps",
        start_tls=parts.scheme == "smtp",
    )


def _sender(value: str) -> Address:
    header = HeaderRegistry()("from", value)
    addresses: tuple[Address, ...] = getattr(header, "addresses", ())
    is_one = len(addresses) == 1 and not header.defects and value.isprintable()
    if not is_one or not addresses[0].domain:
        raise ValueError("must be one address, such as Example <no-reply@example.org>")
    return addresses[0]


def _sign_up(smtp: SmtpServer | None, environment: Environment) -> Callable[[str], SignUp]:
    def parse(value: str) -> SignUp:
        try:
            chosen = SignUp(value)
        except ValueError:
            raise ValueError("must be closed, invite or open") from None
        has_mail = smtp is not None or environment is Environment.LOCAL
        if chosen is not SignUp.CLOSED and not has_mail:
            raise ValueError(f"is {chosen}, which sends mails; set SMTP_URL and MAIL_FROM")
        return chosen

    return parse


def _optional_path(value: str) -> Path | None:
    return Path(value) if value else None


def _natural(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise ValueError("must be a whole number")
    return int(value)


def _positive(value: str) -> int:
    number = _natural(value)
    if number == 0:
        raise ValueError("must be greater than zero")
    return number


def _days(value: str) -> int:
    number = _positive(value)
    if number > _MOST_DAYS:
        raise ValueError(f"must be at most {_MOST_DAYS} days")
    return number


def _at_most(maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = _positive(value)
        if number > maximum:
            raise ValueError(
                f"must be at most {maximum}, which is the longest that verifiers accept"
            )
        return number

    return parse


def _at_least(minimum: int, other: str) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = _positive(value)
        if number < minimum:
            raise ValueError(f"must be at least {other}, which is {minimum}")
        return number

    return parse

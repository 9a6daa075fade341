"""Turns environment variables into one frozen, typed `Environment`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, cast, get_args
from urllib.parse import urlsplit

Stage = Literal["local", "staging", "production"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

# Demo values: `_Reader.secret` refuses them wherever ENVIRONMENT is not local.
LOCAL_ONLY_DJANGO_SECRET = "local-only-django-secret-key-never-use-it-elsewhere"
LOCAL_ONLY_CLIENT_SECRET = "local-demo-secret-of-billing-service"
_LOCAL_ONLY_WEBHOOK_SECRET = "whsec_sandbox_demo_secret"
# What .env.sample ships for the databases begins with it.
_LOCAL_ONLY = "local-only-"


class BadEnvironment(ValueError):
    """A variable is missing or wrong; the message is one sentence that names it."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Everything the billing service reads from outside, checked once at start."""

    stage: Stage
    log_level: LogLevel
    public_url: str
    database_url: str
    django_secret_key: str
    token_issuer: str
    token_audience: str
    auth_internal_url: str
    auth_internal_client_secret: str
    staff_second_factor_required: bool
    jwks_cache_file: Path
    stripe_api_secret: str
    stripe_api_base: str
    stripe_basic_product_price_id: str
    stripe_pro_product_price_id: str
    stripe_webhook_secrets: tuple[str, ...]
    stripe_publishable_key: str
    stripe_dashboard_url: str
    past_due_grace_days: int
    stale_access_days: int
    refund_ends_access: bool
    dispute_ends_access: bool
    card_failures_per_user: int
    card_failures_per_card: int
    card_failures_per_source: int
    setup_intents_per_user: int
    setup_intents_per_source: int
    keep_events_days: int
    keep_attempts_days: int
    staff_session_hours: int
    workers: int
    threads: int

    @property
    def is_local(self) -> bool:
        """Whether demo defaults and test numbers for humans are allowed."""
        return self.stage == "local"


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read and check every variable of the service.

    Args:
        variables: Usually `os.environ`.

    Raises:
        BadEnvironment: A value is missing or wrong.
    """
    reader = _Reader(variables)
    stage = cast(Stage, reader.choice("ENVIRONMENT", get_args(Stage), default="local"))
    local = stage == "local"
    public_url = reader.url("PUBLIC_URL", default="http://localhost:8000")
    environment = Environment(
        stage=stage,
        log_level=cast(LogLevel, reader.choice("LOG_LEVEL", get_args(LogLevel), default="INFO")),
        public_url=public_url,
        database_url=reader.database_url("BILLING_DATABASE_URL", local=local),
        django_secret_key=reader.secret(
            "DJANGO_SECRET_KEY",
            local_default=LOCAL_ONLY_DJANGO_SECRET,
            at_least=50,
            local=local,
        ),
        token_issuer=reader.text("TOKEN_ISSUER", default=public_url),
        token_audience=reader.text("TOKEN_AUDIENCE", default="billing-service"),
        auth_internal_url=reader.url("AUTH_INTERNAL_URL", default="http://127.0.0.1:8001"),
        auth_internal_client_secret=reader.secret(
            "AUTH_INTERNAL_CLIENT_SECRET",
            local_default=LOCAL_ONLY_CLIENT_SECRET,
            at_least=32,
            local=local,
        ),
        staff_second_factor_required=reader.choice(
            "STAFF_SECOND_FACTOR",
            ("required", "optional"),
            default="optional" if local else "required",
        )
        == "required",
        jwks_cache_file=Path(reader.text("JWKS_CACHE_FILE", default="../.state/billing/jwks.json")),
        stripe_api_secret=reader.text("STRIPE_API_SECRET", default=""),
        stripe_api_base=reader.optional_url("STRIPE_API_BASE"),
        stripe_basic_product_price_id=reader.text("STRIPE_BASIC_PRODUCT_PRICE_ID", default=""),
        stripe_pro_product_price_id=reader.text("STRIPE_PRO_PRODUCT_PRICE_ID", default=""),
        stripe_webhook_secrets=reader.words("STRIPE_WEBHOOK_SECRET"),
        stripe_publishable_key=reader.text("STRIPE_PUBLISHABLE_KEY", default=""),
        stripe_dashboard_url=reader.url("STRIPE_DASHBOARD_URL", default=_dashboard(reader)),
        past_due_grace_days=reader.whole_number("PAST_DUE_GRACE_DAYS", default=7, at_least=0),
        stale_access_days=reader.whole_number("STALE_ACCESS_DAYS", default=3, at_least=1),
        refund_ends_access=reader.yes_or_no("REFUND_ENDS_ACCESS", default="no"),
        dispute_ends_access=reader.yes_or_no("DISPUTE_ENDS_ACCESS", default="yes"),
        card_failures_per_user=reader.whole_number(
            "CARD_FAILURES_PER_USER", default=10, at_least=1
        ),
        card_failures_per_card=reader.whole_number(
            "CARD_FAILURES_PER_CARD", default=50, at_least=1
        ),
        card_failures_per_source=reader.whole_number(
            "CARD_FAILURES_PER_SOURCE", default=100, at_least=1
        ),
        setup_intents_per_user=reader.whole_number(
            "SETUP_INTENTS_PER_USER", default=20, at_least=1
        ),
        setup_intents_per_source=reader.whole_number(
            "SETUP_INTENTS_PER_SOURCE", default=200, at_least=1
        ),
        keep_events_days=reader.whole_number("KEEP_EVENTS_DAYS", default=90, at_least=1),
        keep_attempts_days=reader.whole_number("KEEP_ATTEMPTS_DAYS", default=400, at_least=1),
        staff_session_hours=reader.whole_number("STAFF_SESSION_HOURS", default=8, at_least=1),
        workers=reader.whole_number("BILLING_WORKERS", default=2, at_least=1),
        threads=reader.whole_number("BILLING_THREADS", default=64, at_least=1),
    )
    _refuse_dangerous_combinations(environment)
    return environment


def _dashboard(reader: "_Reader") -> str:
    if reader.text("STRIPE_API_BASE", default=""):
        return reader.url("SANDBOX_PUBLIC_URL", default="http://localhost:12111")
    live = "_live_" in reader.text("STRIPE_API_SECRET", default="")
    return "https://dashboard.stripe.com" if live else "https://dashboard.stripe.com/test"


def stop_at_start(error: BadEnvironment) -> NoReturn:
    """Say the one sentence an operator needs and exit with code 2."""
    sys.stderr.write(f"{error}\n")
    sys.exit(2)


def _refuse_dangerous_combinations(environment: Environment) -> None:
    live = "_live_" in environment.stripe_api_secret
    if environment.stripe_api_base and (live or environment.stage == "production"):
        raise BadEnvironment(
            "STRIPE_API_BASE must be empty with a live key and when ENVIRONMENT is production."
        )
    if environment.is_local:
        return
    if not environment.stripe_api_secret:
        raise BadEnvironment("STRIPE_API_SECRET must be set when ENVIRONMENT is not local.")
    if not environment.stripe_webhook_secrets:
        raise BadEnvironment("STRIPE_WEBHOOK_SECRET must be set when ENVIRONMENT is not local.")
    if _LOCAL_ONLY_WEBHOOK_SECRET in environment.stripe_webhook_secrets:
        raise BadEnvironment(
            "STRIPE_WEBHOOK_SECRET is the demo value, "
            "which is accepted with ENVIRONMENT=local only."
        )


class _Reader:
    """Reads single values; every refusal names its variable."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, *, default: str) -> str:
        return self._variables.get(name, "").strip() or default

    def required(self, name: str) -> str:
        value = self.text(name, default="")
        if not value:
            raise BadEnvironment(f"{name} must be set.")
        return value

    def database_url(self, name: str, *, local: bool) -> str:
        value = self.required(name)
        if not local and f":{_LOCAL_ONLY}" in value:
            raise BadEnvironment(
                f"{name} contains a demo password, which is accepted with ENVIRONMENT=local only."
            )
        return value

    def secret(self, name: str, *, local_default: str, at_least: int, local: bool) -> str:
        value = self.text(name, default="")
        if local:
            return value or local_default
        if not value:
            raise BadEnvironment(f"{name} must be set when ENVIRONMENT is not local.")
        if value == local_default:
            raise BadEnvironment(
                f"{name} is the demo value, which is accepted with ENVIRONMENT=local only."
            )
        if len(value) < at_least:
            raise BadEnvironment(f"{name} must have at least {at_least} characters.")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], *, default: str) -> str:
        value = self.text(name, default=default)
        if value not in allowed:
            raise BadEnvironment(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
        return value

    def yes_or_no(self, name: str, *, default: str) -> bool:
        return self.choice(name, ("yes", "no"), default=default) == "yes"

    def url(self, name: str, *, default: str) -> str:
        value = self.text(name, default=default).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadEnvironment(f"{name} must be an http or https address, not {value!r}.")
        return value

    def optional_url(self, name: str) -> str:
        return self.url(name, default="") if self.text(name, default="") else ""

    def words(self, name: str) -> tuple[str, ...]:
        parts = (part.strip() for part in self.text(name, default="").split(","))
        return tuple(part for part in parts if part)

    def whole_number(self, name: str, *, default: int, at_least: int) -> int:
        value = self.text(name, default=str(default))
        if not value.isascii() or not value.isdigit() or int(value) < at_least:
            raise BadEnvironment(
                f"{name} must be a whole number of at least {at_least}, not {value!r}."
            )
        return int(value)

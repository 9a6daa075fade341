"""Reads the environment and `.env` into one checked, frozen Settings."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from dev.config import dotenv
from dev.config.machine import is_of_the_machine
from dev.errors import BadSetting
from dev.files import write_whole

ROOT = Path(__file__).resolve().parents[2]

# In .env this host is the sandbox that is started with the system: Compose resolves it, the
# launcher replaces it by the address of its own sandbox.
SANDBOX_HOST = "stripe-sandbox"
SANDBOX_KEY = "sk_test_sandbox"

# Used for what neither the environment, .env nor .env.sample sets.
DEFAULTS = {
    "ENVIRONMENT": "local",
    "GATEWAY_PORT": "8000",
    "GATEWAY_OPS_PORT": "8082",
    "AUTH_PORT": "8001",
    "BILLING_PORT": "8002",
    "SANDBOX_PORT": "12111",
    "POSTGRES_PORT": "54329",
    "PUBLIC_URL": "http://localhost:8000",
    "SANDBOX_PUBLIC_URL": "http://localhost:12111",
    "STRIPE_API_SECRET": SANDBOX_KEY,
    "STRIPE_API_BASE": f"http://{SANDBOX_HOST}:12111",
    "STRIPE_BASIC_PRODUCT_PRICE_ID": "price_sandbox_basic",
    "STRIPE_PRO_PRODUCT_PRICE_ID": "price_sandbox_pro",
    "STRIPE_WEBHOOK_SECRET": "whsec_sandbox_demo_secret",
}

# Generated on the first start and kept in the state directory, beside the databases: the passwords
# of these, and the secrets that are left empty.
DATABASE_PASSWORDS = ("POSTGRES_PASSWORD", "AUTH_DATABASE_PASSWORD", "BILLING_DATABASE_PASSWORD")
SECRETS = ("AUTH_INTERNAL_CLIENT_SECRET", "DJANGO_SECRET_KEY", "SECOND_FACTOR_KEY")

# Variables in `.env` that Compose, Docker or this launcher itself reads.
_OTHER_READERS = ("COMPOSE_", "DOCKER_", "DEV_")

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_WHOLE_NUMBERS = (
    "ACCESS_TOKEN_LIFETIME_SECONDS",
    "REFRESH_TOKEN_LIFETIME_SECONDS",
    "REFRESH_FAMILY_LIFETIME_SECONDS",
    "AUTH_WORKERS",
    "BILLING_WORKERS",
    "BILLING_THREADS",
    "TOKEN_RPS",
    "TOKEN_BURST",
    "PUBLIC_RPS",
    "PUBLIC_BURST",
)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of the processes, all on 127.0.0.1."""

    gateway: int
    ops: int
    auth: int
    billing: int
    sandbox: int
    postgres: int


PORT_VARIABLES = {
    "gateway": "GATEWAY_PORT",
    "ops": "GATEWAY_OPS_PORT",
    "auth": "AUTH_PORT",
    "billing": "BILLING_PORT",
    "sandbox": "SANDBOX_PORT",
    "postgres": "POSTGRES_PORT",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one system.

    `values` has every variable that a service may read, checked.
    """

    root: Path
    state_dir: Path
    keys_dir: Path
    ports: Ports
    public_url: str
    sandbox_url: str | None
    values: Mapping[str, str]

    @property
    def log_dir(self) -> Path:
        """Every process writes its log here."""
        return self.state_dir / "logs"

    @property
    def run_dir(self) -> Path:
        """The records of the running processes."""
        return self.state_dir / "run"


def load(environ: Mapping[str, str] = os.environ, *, root: Path = ROOT) -> Settings:
    """Read `.env.sample`, `.env` and the environment; a later one wins.

    Args:
        environ: The environment; its DEV_ENV_FILE is read in place of `.env`.
        root: The repository.

    Raises:
        BadSetting: A variable has a value that no system can be started with, or is unknown.
    """
    sample = root / ".env.sample"
    file = _env_file(environ, root=root)
    chosen = dotenv.read(file)
    _require_known(chosen, known=dotenv.names(sample), file=file)
    return _settings(DEFAULTS | dotenv.read(sample) | chosen | dict(environ), root=root)


def load_defaults(environ: Mapping[str, str] = os.environ, *, root: Path = ROOT) -> Settings:
    """The default settings, with which a system can be stopped when `.env` is broken.

    Args:
        environ: Only the state directory is read from it and from `.env`.
        root: The repository.
    """
    files = dotenv.read(_env_file(environ, root=root), strict=False)
    chosen = (files | dict(environ)).get("DEV_STATE_DIR", "")
    return _settings(DEFAULTS | {"DEV_STATE_DIR": chosen}, root=root)


def _require_known(chosen: Iterable[str], *, known: set[str], file: Path) -> None:
    """Refuse a name that nothing reads: it would be a typing error without any effect."""
    for name in chosen:
        if name in known or name.startswith(_OTHER_READERS) or is_of_the_machine(name):
            continue
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "`.env.sample` lists those that exist."
        raise BadSetting(f"{file.name} sets {name}, which nothing reads: {hint}")


def _env_file(environ: Mapping[str, str], *, root: Path) -> Path:
    return Path(environ.get("DEV_ENV_FILE") or root / ".env")


def _settings(values: Mapping[str, str], *, root: Path) -> Settings:
    state_dir = Path(values.get("DEV_STATE_DIR") or root / ".state").resolve()
    _check(values)
    ports = _ports(values)
    public_url = _own_address("PUBLIC_URL", values["PUBLIC_URL"], port=ports.gateway)
    sandbox_url = _own_address(
        "SANDBOX_PUBLIC_URL", values["SANDBOX_PUBLIC_URL"], port=ports.sandbox
    )
    own_sandbox = urlsplit(values["STRIPE_API_BASE"]).hostname == SANDBOX_HOST
    is_default_state = state_dir == root / ".state"
    return Settings(
        root=root,
        state_dir=state_dir,
        keys_dir=Path(
            values.get("KEYS_DIR") or (root / "keys" if is_default_state else state_dir / "keys")
        ),
        ports=ports,
        public_url=public_url,
        sandbox_url=sandbox_url if own_sandbox else None,
        values={**values, **_generated(values, state_dir=state_dir)},
    )


def _check(values: Mapping[str, str]) -> None:
    if values["ENVIRONMENT"] not in {"local", "staging", "production"}:
        raise BadSetting(
            f"ENVIRONMENT is {values['ENVIRONMENT']!r}, but must be local, staging or production."
        )
    for name in _WHOLE_NUMBERS:
        if values.get(name) and not (values[name].isdecimal() and int(values[name]) > 0):
            raise BadSetting(f"{name} is {values[name]!r}, but must be a whole number above 0.")
    _check_stripe(values["STRIPE_API_SECRET"], api_base=values["STRIPE_API_BASE"])


def _check_stripe(secret: str, *, api_base: str) -> None:
    if not secret.startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")):
        raise BadSetting("STRIPE_API_SECRET does not look like a Stripe secret key (sk_test_…).")
    if secret.startswith(("sk_live_", "rk_live_")) and api_base:
        raise BadSetting("STRIPE_API_SECRET is a live key, so STRIPE_API_BASE must be empty.")
    if secret == SANDBOX_KEY and not api_base:
        raise BadSetting(
            "STRIPE_API_BASE is empty, which means real Stripe, but STRIPE_API_SECRET"
            " is still the sandbox's demo key."
        )
    if api_base:
        _url("STRIPE_API_BASE", api_base)


def _ports(values: Mapping[str, str]) -> Ports:
    ports: dict[str, int] = {}
    for field, name in PORT_VARIABLES.items():
        text = values[name]
        if not (text.isdecimal() and 0 < int(text) < 65536):
            raise BadSetting(f"{name} is {text!r}, but must be a port between 1 and 65535.")
        for other, port in ports.items():
            if port == int(text):
                raise BadSetting(f"{name} and {PORT_VARIABLES[other]} are both {text}.")
        ports[field] = int(text)
    return Ports(**ports)


def _url(name: str, text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadSetting(f"{name} is {text!r}, but must be an address such as http://localhost.")
    return text.rstrip("/")


def _own_address(name: str, text: str, *, port: int) -> str:
    """An address on this machine gets the port that the component really listens on."""
    parts = urlsplit(_url(name, text))
    if parts.hostname not in _LOOPBACK:
        return text.rstrip("/")
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _generated(values: Mapping[str, str], *, state_dir: Path) -> dict[str, str]:
    path = state_dir / "secrets.json"
    kept: dict[str, str] = {}
    with suppress(FileNotFoundError, ValueError):
        kept = json.loads(path.read_text())
    missing = [name for name in (*DATABASE_PASSWORDS, *SECRETS) if name not in kept]
    if missing:
        kept |= {name: secrets.token_urlsafe(48) for name in missing}
        state_dir.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(kept))
    return kept | {name: values[name] for name in SECRETS if values.get(name)}

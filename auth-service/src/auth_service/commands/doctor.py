"""`auth-service doctor`: checks what the service needs, one line for each check."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import click
import httpx
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from auth_service import queries
from auth_service.clock import Clock, utc_now
from auth_service.commands.context import settings_or_exit
from auth_service.commands.doctor_gateway import check_gateway, find_traefik
from auth_service.commands.findings import Finding, Verdict, ok, unchecked, wrong
from auth_service.database import open_engine
from auth_service.demo import DemoAccountInUse, refuse_demo_password
from auth_service.keys import (
    KeyRing,
    KeysError,
    open_key_ring,
    read_passphrase,
    refuse_local_keys,
)
from auth_service.migrations import newest_revision, older_revisions
from auth_service.second_factor.protection import Protection
from auth_service.settings import Settings
from auth_service.tables import second_factor
from auth_service.tokens.jwt import IAT_LEEWAY_SECONDS

_OLD_KEY = timedelta(days=180)
_HTTP_TIMEOUT_SECONDS = 10.0


@click.command()
@click.option("--url", help="Base URL of the published JWKS. Default: PUBLIC_URL.")
@click.option(
    "--gateway-dir",
    default="../gateway",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The gateway's configuration. Traefik is started on it for three seconds.",
)
@click.option("--traefik", help="The traefik program. Default: the one on PATH.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def doctor(*, url: str | None, gateway_dir: Path, traefik: str | None, as_json: bool) -> None:
    """Check keys, database, clock, JWKS, secrets and gateway. Exit code 1 if one is wrong."""
    settings = settings_or_exit()
    is_wrong = False
    for finding in (
        *check_service(settings, url=url or settings.public_url, clock=utc_now),
        check_gateway(gateway_dir, traefik=find_traefik(traefik)),
    ):
        click.echo(_json_line(finding) if as_json else str(finding))
        is_wrong |= finding.verdict is Verdict.WRONG
    sys.exit(1 if is_wrong else 0)


def check_service(settings: Settings, *, url: str, clock: Clock) -> Iterator[Finding]:
    """Check this service, the fastest checks first.

    Args:
        url: Base URL of the published JWKS.
        clock: This machine's clock.
    """
    ring = _open_keys(settings, now=clock())
    yield _keys(ring, settings, now=clock())
    yield from _database(settings, clock=clock)
    yield from _published_keys(ring, url=url, clock=clock)


def _open_keys(settings: Settings, *, now: datetime) -> KeyRing | KeysError:
    try:
        passphrase = read_passphrase(settings.keys_passphrase_file)
        ring = open_key_ring(settings.keys_dir, passphrase=passphrase, now=now)
        refuse_local_keys(ring.manifest(now=now), environment=settings.environment)
    except KeysError as error:
        return error
    return ring


def _keys(ring: KeyRing | KeysError, settings: Settings, *, now: datetime) -> Finding:
    if isinstance(ring, KeysError):
        return wrong("keys", str(ring))
    records = ring.manifest(now=now).records
    signing = ring.signing_key(now)
    since = next(r.sign_at for r in records if r.kid == signing.kid)
    if since and now - since > _OLD_KEY:
        return wrong(
            "keys",
            f"{signing.kid} has been signing since {since:%F}. Run `auth-service keys rotate`.",
        )
    has_spare = any(r.sign_at is None and not r.revoked_at for r in records)
    if not has_spare and not settings.is_local:
        return wrong(
            "keys", "There is no spare key for an emergency. Run `auth-service keys spare`."
        )
    published = len(ring.jwks(now).kids)
    return ok("keys", f"{signing.kid} signs. Keys published: {published}. File modes are right.")


def _database(settings: Settings, *, clock: Clock) -> Iterator[Finding]:
    engine = open_engine(settings.database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            yield ok("database", f"{settings.database_url.database} answers.")
            difference = queries.database_time(connection) - clock()
            yield _clock(difference, "the database's clock")
            schema = _schema(connection, engine)
            yield schema
            if schema.verdict is Verdict.OK:
                yield _demo_password(connection, settings)
                yield _second_factors(connection, settings)
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        yield wrong("database", f"The database of AUTH_DATABASE_URL does not answer: {reason}")
    finally:
        engine.dispose()


def _schema(connection: Connection, engine: Engine) -> Finding:
    newest = newest_revision()
    found = None
    if engine.dialect.has_table(connection, "alembic_version"):
        found = queries.schema_revision(connection)
    if found is None or found in older_revisions():
        return wrong("schema", f"It is {found}, not {newest}. Run `auth-service migrate`.")
    if found != newest:
        return ok("schema", f"It is {found}, of a newer release than this one ({newest}).")
    return ok("schema", f"It is {found}, the latest.")


def _second_factors(connection: Connection, settings: Settings) -> Finding:
    protection = Protection(settings.second_factor_keys)
    rows = connection.execute(select(second_factor.c.user_id, second_factor.c.secret))
    keys = Counter(protection.key_of(row.secret, user_id=row.user_id) for row in rows)
    if lost := keys.pop(None, 0):
        return wrong("second factors", f"SECOND_FACTOR_KEY does not decrypt {lost} of them.")
    older = keys.total() - keys[0]
    return ok("second factors", f"{keys.total()} are decrypted, {older} of them by an older key.")


def _demo_password(connection: Connection, settings: Settings) -> Finding:
    if settings.is_local:
        return ok("demo admin", "Allowed, because ENVIRONMENT is local.")
    try:
        refuse_demo_password(connection)
    except DemoAccountInUse as error:
        return wrong("demo admin", str(error))
    return ok("demo admin", "No staff account has the password from the README.")


def _published_keys(ring: KeyRing | KeysError, *, url: str, clock: Clock) -> Iterator[Finding]:
    address = f"{url}/.well-known/jwks.json"
    try:
        response = httpx.get(address, timeout=_HTTP_TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield wrong("JWKS", f"{address} does not answer ({error}). Is the service started?")
        return
    yield _jwks(response, ring, address=address, now=clock())
    date = response.headers.get("Date")
    if date:
        yield _clock(parsedate_to_datetime(date) - clock(), f"the clock of {url}")


def _jwks(
    response: httpx.Response, ring: KeyRing | KeysError, *, address: str, now: datetime
) -> Finding:
    if response.status_code != HTTPStatus.OK:
        return wrong(
            "JWKS", f"{address} answers {response.status_code}. Check the gateway's routes."
        )
    if isinstance(ring, KeysError):
        return unchecked("JWKS", f"{address} answers, but there are no keys to compare it with.")
    try:
        published = {str(key["kid"]) for key in response.json()["keys"]}
    except (ValueError, KeyError, TypeError):
        return wrong("JWKS", f"{address} is not a JWK Set. Another program answers there.")
    missing = set(ring.jwks(now).kids) - published
    if missing:
        return wrong(
            "JWKS", f"{address} lacks {min(missing)}. Does that service use the same KEYS_DIR?"
        )
    return ok("JWKS", f"{address} has all {len(published)} keys.")


def _clock(difference: timedelta, other: str) -> Finding:
    seconds = abs(difference.total_seconds())
    # A token from a clock that is further ahead is refused.
    if seconds > IAT_LEEWAY_SECONDS:
        return wrong(
            "clock", f"It differs from {other} by {seconds:.0f} s. Synchronize the clocks."
        )
    return ok("clock", f"It agrees with {other} within {seconds:.0f} s.")


def _json_line(finding: Finding) -> str:
    return json.dumps(
        {
            "verdict": finding.verdict.name.lower(),
            "subject": finding.subject,
            "sentence": finding.sentence,
        }
    )

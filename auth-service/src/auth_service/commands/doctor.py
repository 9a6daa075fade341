"""`auth-service doctor`: is everything in place, one line for each check."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path

import click
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from auth_service.clock import Clock, utc_now
from auth_service.commands.context import settings_or_exit
from auth_service.commands.doctor_gateway import check_gateway, program
from auth_service.commands.findings import Finding, Verdict, ok, unchecked, wrong
from auth_service.commands.http import Answer, Client
from auth_service.database import open_engine
from auth_service.demo import DemoAccountInUse, refuse_demo_password
from auth_service.keys import (
    KeyRing,
    KeysError,
    open_key_ring,
    read_passphrase,
    refuse_local_keys,
)
from auth_service.migrations import newest_revision
from auth_service.settings import Settings

# RFC 7519 leaves the leeway to us; verifiers forgive half a minute on `iat`.
_TOLERATED_SKEW = timedelta(seconds=30)
_OLD_KEY = timedelta(days=180)


@click.command()
@click.option("--url", help="Where the JWKS is public; default PUBLIC_URL.")
@click.option(
    "--gateway-dir",
    default="../gateway",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The gateway's configuration, which is started for a moment.",
)
@click.option("--traefik", help="The traefik program; default the one on PATH.")
def doctor(*, url: str | None, gateway_dir: Path, traefik: str | None) -> None:
    """Check keys, clock, database, JWKS, demo password and gateway; exit code 1 if one is wrong."""
    settings = settings_or_exit()
    findings = []
    for finding in examine(settings, url=url or settings.public_url, clock=utc_now):
        click.echo(str(finding))
        findings.append(finding)
    gateway = check_gateway(gateway_dir, traefik=program(traefik))
    click.echo(str(gateway))
    broken = [f for f in (*findings, gateway) if f.verdict is Verdict.WRONG]
    sys.exit(1 if broken else 0)


def examine(settings: Settings, *, url: str, clock: Clock) -> Iterator[Finding]:
    """Make every check of this service itself, cheapest first.

    Args:
        settings: As the service reads them.
        url: Base address under which the JWKS is reachable.
        clock: Our own clock.
    """
    ring = _open_keys(settings, now=clock())
    yield _keys(ring, settings, now=clock())
    yield from _database(settings, clock=clock)
    yield from _public(ring, url=url, clock=clock)


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
            "keys", f"{signing.kid} signs since {since:%F}; run `auth-service keys rotate`."
        )
    spare = any(r.sign_at is None and not r.revoked_at for r in records)
    if not spare and not settings.is_local:
        return wrong("keys", "There is no spare for an emergency; run `auth-service keys spare`.")
    return ok(
        "keys", f"{signing.kid} signs; {len(ring.jwks(now).kids)} published; modes are right."
    )


def _database(settings: Settings, *, clock: Clock) -> Iterator[Finding]:
    engine = open_engine(settings.database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            yield ok("database", f"{settings.database_url.database} answers.")
            yield _clock(connection, clock=clock)
            schema = _schema(connection, engine)
            yield schema
            if schema.verdict is Verdict.OK:
                yield _demo_password(connection, settings)
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        yield wrong("database", f"AUTH_DATABASE_URL does not answer: {reason}")
    finally:
        engine.dispose()


def _clock(connection: Connection, *, clock: Clock) -> Finding:
    theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return _compared("clock", theirs - clock(), "the database's")


def _schema(connection: Connection, engine: Engine) -> Finding:
    newest = newest_revision()
    found = None
    if engine.dialect.has_table(connection, "alembic_version"):
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != newest:
        return wrong("schema", f"is {found}, not {newest}; run `auth-service migrate`.")
    return ok("schema", f"is {found}, the newest.")


def _demo_password(connection: Connection, settings: Settings) -> Finding:
    if settings.is_local:
        return ok("demo admin", "is allowed, because ENVIRONMENT is local.")
    try:
        refuse_demo_password(connection)
    except DemoAccountInUse as error:
        return wrong("demo admin", str(error))
    return ok("demo admin", "No account with power has the password from the README.")


def _public(ring: KeyRing | KeysError, *, url: str, clock: Clock) -> Iterator[Finding]:
    address = f"{url}/.well-known/jwks.json"
    try:
        with Client(url) as client:
            answer = client.get("/.well-known/jwks.json")
    except (OSError, HTTPException) as error:
        yield wrong("JWKS", f"{address} does not answer ({error}); is the service started?")
        return
    yield _jwks(answer, ring, address=address, now=clock())
    date = answer.headers.get("Date")
    if date:
        yield _compared("clock", parsedate_to_datetime(date) - clock(), f"that of {url}")


def _jwks(answer: Answer, ring: KeyRing | KeysError, *, address: str, now: datetime) -> Finding:
    if answer.status != 200:  # noqa: PLR2004 # RFC 9110 §15.3.1
        return wrong("JWKS", f"{address} answers {answer.status}; look at the gateway's routes.")
    if isinstance(ring, KeysError):
        return unchecked("JWKS", f"{address} answers, but there are no keys to compare it with.")
    try:
        published = {str(key["kid"]) for key in json.loads(answer.body)["keys"]}
    except (ValueError, KeyError, TypeError):
        return wrong("JWKS", f"{address} is no JWK set; something else answers there.")
    missing = set(ring.jwks(now).kids) - published
    if missing:
        return wrong(
            "JWKS", f"{address} lacks {min(missing)}; does that service use this KEYS_DIR?"
        )
    return ok("JWKS", f"{address} shows all {len(published)} keys.")


def _compared(subject: str, difference: timedelta, whose: str) -> Finding:
    seconds = abs(difference.total_seconds())
    if seconds > _TOLERATED_SKEW.total_seconds():
        return wrong(subject, f"differs from {whose} by {seconds:.0f} s; is time synchronised?")
    return ok(subject, f"agrees with {whose} within {seconds:.0f} s.")

"""`auth-service keys`: make, list, rotate and revoke the signing keys."""

import json
from datetime import UTC, datetime, timedelta

import click

from auth_service.clock import utc_now
from auth_service.commands.context import settings_or_exit
from auth_service.commands.drill import drill
from auth_service.commands.key_store import (
    ensure_keys,
    key_store,
    key_timings,
    sentences,
    skew_option,
)
from auth_service.keys import (
    KeyRecord,
    KeyState,
    KeyTimings,
    Manifest,
    in_state_since,
    next_change,
    resolve_kid,
    state_of,
)

_NEXT_VERB = {
    KeyState.ACTIVE: "signs from",
    KeyState.RETIRING: "stops signing",
    KeyState.REFRESH_VERIFY_ONLY: "leaves the JWKS",
    KeyState.EXPIRED: "is forgotten",
}


@click.group()
def keys() -> None:
    """Signing keys: make, list, rotate, revoke, and prove that a rotation loses no token."""


@keys.command()
@click.option("--spare/--no-spare", default=None, help="Default: a spare, except in local.")
def init(*, spare: bool | None) -> None:
    """Make the first signing key; where there is one already, change nothing."""
    settings = settings_or_exit()
    with sentences():
        manifest = ensure_keys(settings, now=utc_now(), spare=spare)
    _print_table(manifest, now=utc_now())


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs: all moments of every key.")
def list_keys(*, as_json: bool) -> None:
    """Show every key, its state, and when that changes."""
    settings = settings_or_exit()
    with sentences():
        manifest = key_store(settings).read()
    if as_json:
        click.echo(json.dumps(_as_json(manifest, now=utc_now()), indent=2))
    else:
        _print_table(manifest, now=utc_now())


@keys.command()
def spare() -> None:
    """Publish a spare key, so that an emergency revocation needs no lead time."""
    settings = settings_or_exit()
    now = utc_now()
    with sentences():
        manifest = key_store(settings).add_spare(now=now)
    _print_table(manifest, now=now)


@keys.command()
@click.option(
    "--lead-seconds",
    type=click.IntRange(0),
    help="Time in the JWKS before signing. For drills: too short, and good tokens are refused.",
)
@skew_option
def rotate(*, lead_seconds: int | None, skew_seconds: int) -> None:
    """Let the next key take over after its lead; the old one retires by itself."""
    settings = settings_or_exit()
    now = utc_now()
    lead = None if lead_seconds is None else timedelta(seconds=lead_seconds)
    with sentences():
        manifest = key_store(settings, skew_seconds=skew_seconds).rotate(now=now, lead=lead)
    timings = key_timings(settings, skew_seconds=skew_seconds)
    _explain_rotation(manifest, now=now, timings=timings, shortened=lead is not None)


# One kid in 64 begins with a hyphen and is no option; an inherited `-h` would be found in it.
@keys.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(*, kid: str, yes: bool) -> None:
    """Stop trusting KID at once: its first characters, or the word `active`.

    The spare signs from now on and another spare is published. Everybody whose tokens were
    signed by the revoked key has to log in again.
    """
    settings = settings_or_exit()
    store = key_store(settings)
    with sentences():
        before = store.read()
        full_kid = _named(before, kid, now=utc_now())
    if not yes:
        click.confirm(f"Revoke {full_kid}? Tokens signed by it die", abort=True)
    now = utc_now()
    with sentences():
        after = store.revoke(full_kid, now=now)
    click.echo(
        f"Revoked {full_kid}. auth-service refuses its tokens within 2 s, other services as soon "
        "as they fetch the JWKS again. docs/runbooks/incident-key-leak.md has the next steps."
    )
    _print_table(after, now=now)


keys.add_command(drill)


def _named(manifest: Manifest, kid: str, *, now: datetime) -> str:
    if kid != "active":
        return resolve_kid(manifest, kid)
    return next(r.kid for r in manifest.records if _state(manifest, r, now=now) is KeyState.ACTIVE)


def _state(manifest: Manifest, record: KeyRecord, *, now: datetime) -> KeyState:
    return state_of(record, among=manifest.records, now=now)


def _print_table(manifest: Manifest, *, now: datetime) -> None:
    rows = [("KID", "STATE", "SINCE", "NEXT")]
    rows += [_row(manifest, record, now=now) for record in manifest.records]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        click.echo("  ".join((*cells, row[3])))


def _row(manifest: Manifest, record: KeyRecord, *, now: datetime) -> tuple[str, str, str, str]:
    state = _state(manifest, record, now=now)
    since = in_state_since(record, state)
    spare = state is KeyState.UPCOMING and record.sign_at is None
    return (
        record.kid,
        f"{state} (spare)" if spare else state,
        _utc(since),
        _next(manifest, record, now),
    )


def _next(manifest: Manifest, record: KeyRecord, now: datetime) -> str:
    state = _state(manifest, record, now=now)
    change = next_change(record, state)
    if change:
        moment, following = change
        return f"{_NEXT_VERB[following]} {_utc(moment)} (in {_span(moment - now)})"
    if record.sign_at is None and record.revoked_at is None:
        return "signs when a rotation or a revocation needs it"
    if state is KeyState.ACTIVE:
        return "signs until another key takes over"
    return "-"


def _explain_rotation(
    manifest: Manifest, *, now: datetime, timings: KeyTimings, shortened: bool
) -> None:
    _print_table(manifest, now=now)
    if shortened:
        click.echo("\nThe lead was shortened: a verifier that caches longer refuses new tokens.")
        return
    click.echo(
        f"\nA key is published {_span(timings.lead)} before it signs: two caches of "
        f"{timings.verifier_ttl_seconds} s, {timings.jwks_max_age_seconds} s of HTTP cache, "
        f"{timings.poll_seconds} s until workers look, {timings.skew_seconds} s between clocks. "
        "A spare that was published before needs only the last two."
    )


def _as_json(manifest: Manifest, *, now: datetime) -> list[dict[str, object]]:
    return [
        {
            "kid": record.kid,
            "state": _state(manifest, record, now=now),
            "spare": record.sign_at is None and record.revoked_at is None,
            "made_in": record.made_in,
            "publish_at": _utc(record.publish_at),
            "sign_at": _optional(record.sign_at),
            "sign_until": _optional(record.sign_until),
            "unpublish_at": _optional(record.unpublish_at),
            "refresh_verify_until": _optional(record.refresh_verify_until),
            "revoked_at": _optional(record.revoked_at),
        }
        for record in manifest.records
    ]


def _optional(moment: datetime | None) -> str | None:
    return _utc(moment) if moment else None


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"

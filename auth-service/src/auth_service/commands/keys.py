"""`auth-service keys`: creates, lists, rotates and revokes the signing keys."""

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
    refuse_on_key_error,
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
    KeyState.EXPIRED: "is deleted",
}


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke the signing keys, and test a rotation under traffic."""


@keys.command()
@click.option("--spare/--no-spare", default=None, help="Default: a spare key, except in local.")
def init(*, spare: bool | None) -> None:
    """Create the first signing key. Changes nothing if there is one."""
    settings = settings_or_exit()
    with refuse_on_key_error():
        manifest = ensure_keys(settings, now=utc_now(), spare=spare)
    _print_table(manifest, now=utc_now())


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="All timestamps of every key, for programs.")
def list_keys(*, as_json: bool) -> None:
    """List every key, its state, and when its state changes."""
    settings = settings_or_exit()
    with refuse_on_key_error():
        manifest = key_store(settings).read()
    if as_json:
        click.echo(json.dumps(_as_json(manifest, now=utc_now()), indent=2))
    else:
        _print_table(manifest, now=utc_now())


@keys.command()
def spare() -> None:
    """Publish a spare key, so that an emergency revocation needs no waiting time."""
    settings = settings_or_exit()
    now = utc_now()
    with refuse_on_key_error():
        manifest = key_store(settings).add_spare(now=now)
    _print_table(manifest, now=now)


@keys.command()
@click.option(
    "--lead-seconds",
    type=click.IntRange(0),
    help="Time in the JWKS before signing, for drills. Too short: valid tokens are refused.",
)
@skew_option
def rotate(*, lead_seconds: int | None, skew_seconds: int) -> None:
    """Schedule the next key to sign. The old key retires by itself."""
    settings = settings_or_exit()
    now = utc_now()
    lead = None if lead_seconds is None else timedelta(seconds=lead_seconds)
    with refuse_on_key_error():
        manifest = key_store(settings, skew_seconds=skew_seconds).rotate(now=now, lead=lead)
    timings = key_timings(settings, skew_seconds=skew_seconds)
    _explain_rotation(manifest, now=now, timings=timings, shortened=lead is not None)


# One kid in 64 starts with a hyphen. It is no option, not even if it contains `-h`.
@keys.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def revoke(*, kid: str, yes: bool) -> None:
    """Revoke a key at once. KID is its first characters, or `active`.

    The spare key signs from now on, and another spare key is published. Users whose tokens were
    signed by the revoked key have to log in again.
    """
    settings = settings_or_exit()
    store = key_store(settings)
    with refuse_on_key_error():
        before = store.read()
        full_kid = _named(before, kid, now=utc_now())
    if not yes:
        click.confirm(f"Revoke {full_kid}? All tokens that it signed become invalid", abort=True)
    now = utc_now()
    with refuse_on_key_error():
        after = store.revoke(full_kid, now=now)
    click.echo(
        f"Revoked {full_kid}. auth-service refuses its tokens within 2 s, other services as soon "
        "as they fetch the JWKS again. Next steps: docs/runbooks/incident-key-leak.md."
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
        return "signs after the next rotation or revocation"
    if state is KeyState.ACTIVE:
        return "signs until another key takes over"
    return "-"


def _explain_rotation(
    manifest: Manifest, *, now: datetime, timings: KeyTimings, shortened: bool
) -> None:
    _print_table(manifest, now=now)
    if shortened:
        click.echo(
            "\nThe lead was shortened. A verifier that caches for longer refuses new tokens."
        )
        return
    click.echo(
        f"\nA key is published {_span(timings.lead)} before it signs: twice a verifier's cache of "
        f"{timings.verifier_ttl_seconds} s, {timings.jwks_max_age_seconds} s of HTTP cache, "
        f"{timings.poll_seconds} s until workers notice, {timings.skew_seconds} s between clocks. "
        "A spare key that has been published for long needs only the last two."
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

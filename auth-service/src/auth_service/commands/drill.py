"""`auth-service keys drill`: rotates the keys under traffic and counts rejected tokens."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click
import httpx

from auth_service import demo
from auth_service.clock import Clock, utc_now
from auth_service.commands.context import settings_or_exit
from auth_service.commands.drill_traffic import Traffic
from auth_service.commands.key_store import key_store, refuse_on_key_error, skew_option
from auth_service.keys import KeyStore
from auth_service.settings import Settings

_OUTCOMES = ("accepted", "rejected", "throttled", "failed")
_BEFORE_SECONDS = 3.0
_AFTER = timedelta(seconds=5)
_IDLE_SESSIONS = 3
_HTTP_TIMEOUT_SECONDS = 10.0
_LINE_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Phases:
    """When the state of the keys changes during the rotation."""

    signs_from: datetime
    unpublished_at: datetime

    @property
    def over_at(self) -> datetime:
        """Some seconds after the last change, so that there is traffic after it."""
        return self.unpublished_at + _AFTER

    def name_at(self, now: datetime) -> str:
        """Describe the state of the keys."""
        if now < self.signs_from:
            return "new key published, old key signs"
        if now < self.unpublished_at:
            return "new key signs, old key retiring"
        return "old key no longer published"


@click.command()
@click.option("--auth-url", help="Base URL of auth-service or the gateway. Default: PUBLIC_URL.")
@click.option(
    "--billing-url", help="Base URL of billing-service or the gateway. Default: the same."
)
@click.option("--without-billing", is_flag=True, help="Verify tokens at auth-service only.")
@click.option(
    "--rps", default=50, show_default=True, type=click.IntRange(1, 1000), help="Requests a second."
)
@click.option("--lead-seconds", type=click.IntRange(0), help="As for `rotate`.")
@click.option("--username", default=demo.USERNAME, show_default=True, help="An active account.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The account's password. Without it, the command asks, except for the demo account.",
)
@skew_option
def drill(
    *,
    skew_seconds: int,
    auth_url: str | None,
    billing_url: str | None,
    without_billing: bool,
    rps: int,
    lead_seconds: int | None,
    username: str,
    password_file: Path | None,
) -> None:
    """Rotate the keys while users log in, refresh and use their tokens.

    Prints how many valid tokens were rejected. Exit code 1 if there was one, or if one kind of
    request never succeeded, which proves nothing.
    """
    settings = settings_or_exit()
    address = auth_url or settings.public_url
    lead = None if lead_seconds is None else timedelta(seconds=lead_seconds)
    with (
        refuse_on_key_error(),
        httpx.Client(base_url=address, timeout=_HTTP_TIMEOUT_SECONDS) as auth,
        httpx.Client(base_url=billing_url or address, timeout=_HTTP_TIMEOUT_SECONDS) as billing,
    ):
        store = key_store(settings, skew_seconds=skew_seconds)
        traffic = Traffic(
            auth=auth,
            billing=None if without_billing else billing,
            username=username,
            password=_password(settings, username, password_file),
            rps=rps,
        )
        sys.exit(run_drill(traffic, store, lead=lead, clock=utc_now, say=click.echo))


def _password(settings: Settings, username: str, file: Path | None) -> str:
    if file:
        return file.read_text().rstrip("\r\n")
    if settings.is_local and username == demo.USERNAME:
        return demo.PASSWORD
    return str(click.prompt(f"Password of {username}", hide_input=True))


def run_drill(
    traffic: Traffic,
    store: KeyStore,
    *,
    lead: timedelta | None,
    clock: Clock,
    say: Callable[[str], object],
) -> int:
    """Send traffic during one rotation.

    Args:
        traffic: Not started yet.
        store: The keys of the service that gets the traffic.
        lead: How long the new key is published before it signs; None for the usual time.
        clock: The clock of the keys.
        say: Prints a line.

    Returns:
        The exit code: 0 if no token was rejected and every kind of request succeeded, else 1.

    Raises:
        KeysError: The rotation could not start.
    """
    idle = [session for _ in range(_IDLE_SESSIONS) if (session := traffic.log_in())]
    threads = traffic.start()
    try:
        time.sleep(_BEFORE_SECONDS)
        phases = _rotate(store, lead=lead, now=clock())
        say(
            f"The new key signs from {phases.signs_from:%T} UTC. "
            f"The drill ends at {phases.over_at:%T} UTC."
        )
        _watch(traffic, phases, clock=clock, say=say)
        # Users who did not refresh meanwhile: their refresh tokens outlive their key's publication.
        for session in idle:
            traffic.refresh(session)
    finally:
        traffic.stop(threads)
    return _report(traffic, say=say)


def _rotate(store: KeyStore, *, lead: timedelta | None, now: datetime) -> Phases:
    manifest = store.rotate(now=now, lead=lead)
    # A revoked key keeps the timestamps it had.
    trusted = [r for r in manifest.records if not r.revoked_at]
    following = max(r.sign_at for r in trusted if r.sign_at)
    # The old key is missing if tokens live so short that it was deleted at once.
    closing = max([following, *(r.unpublish_at for r in trusted if r.unpublish_at)])
    return Phases(signs_from=following, unpublished_at=closing)


def _watch(traffic: Traffic, phases: Phases, *, clock: Clock, say: Callable[[str], object]) -> None:
    started = clock()
    while (now := clock()) < phases.over_at:
        done, whole = (now - started).total_seconds(), (phases.over_at - started).total_seconds()
        counts = ", ".join(f"{traffic.count_of(outcome):,} {outcome}" for outcome in _OUTCOMES)
        say(f"{done:5.0f} / {whole:.0f} s  {phases.name_at(now):<34} {counts}")
        time.sleep(min(_LINE_INTERVAL_SECONDS, max(0.1, whole - done)))


def _report(traffic: Traffic, *, say: Callable[[str], object]) -> int:
    kinds = sorted({kind for kind, _ in traffic.tally})
    say("\n" + " " * 20 + "".join(f"{outcome:>11}" for outcome in _OUTCOMES))
    for kind in kinds:
        counts = "".join(f"{traffic.tally[kind, outcome]:>11,}" for outcome in _OUTCOMES)
        say(f"{kind:<20}{counts}")
    rejected = traffic.count_of("rejected")
    say(f"\nRejected tokens: {rejected}")
    unproved = [kind for kind in kinds if not traffic.tally[kind, "accepted"]]
    if unproved:
        say(f"This proves nothing: no request succeeded of these kinds: {', '.join(unproved)}.")
    return 1 if rejected or unproved else 0

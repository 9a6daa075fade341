"""`auth-service keys drill`: a whole rotation under live traffic, and how many tokens it cost."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click

from auth_service import demo
from auth_service.clock import Clock, utc_now
from auth_service.commands.context import settings_or_exit
from auth_service.commands.drill_traffic import Traffic
from auth_service.commands.http import Client
from auth_service.commands.key_store import key_store, sentences, skew_option
from auth_service.keys import KeyStore
from auth_service.settings import Settings

_OUTCOMES = ("accepted", "rejected", "throttled", "failed")
_BEFORE_SECONDS = 3.0
_AFTER = timedelta(seconds=5)
_IDLE_SESSIONS = 3
_LINE_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Phases:
    """The moments of the rotation that is being watched."""

    signs_from: datetime
    unpublished_at: datetime

    @property
    def over_at(self) -> datetime:
        """A little after the last change, so that it is seen under traffic as well."""
        return self.unpublished_at + _AFTER

    def name_at(self, now: datetime) -> str:
        """Say what the keys are doing."""
        if now < self.signs_from:
            return "new key published, old key signs"
        if now < self.unpublished_at:
            return "new key signs, old key retires"
        return "old key unpublished"


@click.command()
@click.option("--auth-url", help="auth-service or the gateway; default PUBLIC_URL.")
@click.option("--billing-url", help="billing-service or the gateway; default the same.")
@click.option("--without-billing", is_flag=True, help="Verify tokens at auth-service alone.")
@click.option("--rps", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option(
    "--lead-seconds", type=click.IntRange(0), help="As for `rotate`; default the real one."
)
@click.option(
    "--username", default=demo.USERNAME, show_default=True, help="An account that may log in."
)
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its password; asked for where it is missing, except of the demo account.",
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

    Prints the number of good tokens that were rejected; exit code 1 if there is any, or if one
    kind of request never succeeded, because then nothing was proved.
    """
    settings = settings_or_exit()
    address = auth_url or settings.public_url
    lead = None if lead_seconds is None else timedelta(seconds=lead_seconds)
    with sentences(), Client(address) as auth, Client(billing_url or address) as billing:
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
    """Drive traffic through one rotation.

    Args:
        traffic: Not started yet.
        store: The keys of the service that the traffic goes to.
        lead: A shorter lead; None waits the real one.
        clock: The clock that the keys follow.
        say: Where progress goes.

    Returns:
        The exit code: 0 if no token was rejected and every kind of request succeeded.

    Raises:
        KeysError: The rotation could not begin.
    """
    idle = [session for _ in range(_IDLE_SESSIONS) if (session := traffic.log_in())]
    threads = traffic.start()
    try:
        time.sleep(_BEFORE_SECONDS)
        phases = _rotate(store, lead=lead, now=clock())
        say(f"New key signs from {phases.signs_from:%T} UTC; over at {phases.over_at:%T} UTC.")
        _watch(traffic, phases, clock=clock, say=say)
        # These users were away: their tokens of the old key outlived its publication.
        for session in idle:
            traffic.refresh(session)
    finally:
        traffic.stop(threads)
    return _report(traffic, say=say)


def _rotate(store: KeyStore, *, lead: timedelta | None, now: datetime) -> Phases:
    manifest = store.rotate(now=now, lead=lead)
    # With a lead of zero the new key signs from this very moment. A revoked key keeps the moments
    # it once had.
    trusted = [r for r in manifest.records if not r.revoked_at]
    following = max(r.sign_at for r in trusted if r.sign_at)
    # Tokens without a lifetime let the old key be forgotten at once.
    closing = max([following, *(r.unpublish_at for r in trusted if r.unpublish_at)])
    return Phases(signs_from=following, unpublished_at=closing)


def _watch(traffic: Traffic, phases: Phases, *, clock: Clock, say: Callable[[str], object]) -> None:
    began = clock()
    while (now := clock()) < phases.over_at:
        done, whole = (now - began).total_seconds(), (phases.over_at - began).total_seconds()
        counts = ", ".join(f"{traffic.count_of(outcome):,} {outcome}" for outcome in _OUTCOMES)
        say(f"{done:5.0f} / {whole:.0f} s  {phases.name_at(now):<34} {counts}")
        time.sleep(min(_LINE_EVERY_SECONDS, max(0.1, whole - done)))


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
        say(f"Nothing is proved: no request of these kinds succeeded: {', '.join(unproved)}.")
    return 1 if rejected or unproved else 0

"""The key directory as the settings describe it, for every command that touches keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from auth_service.keys import (
    SKEW_SECONDS,
    KeysError,
    KeyStore,
    KeyTimings,
    Manifest,
    read_passphrase,
    refuse_local_keys,
)
from auth_service.settings import Settings


class Complaint(click.ClickException):
    """What an operator must put right before the command can do its work."""

    exit_code = 2


def skew_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--skew-seconds` to a command that plans a rotation."""
    return click.option(
        "--skew-seconds",
        type=click.IntRange(0),
        default=SKEW_SECONDS,
        show_default=True,
        help="How far the clocks of two machines may differ.",
    )(command)


def key_timings(settings: Settings, *, skew_seconds: int = SKEW_SECONDS) -> KeyTimings:
    """Derive the delays of a rotation from the lifetimes of the tokens."""
    return KeyTimings(
        access_lifetime_seconds=settings.access_token_lifetime_seconds,
        refresh_lifetime_seconds=settings.refresh_token_lifetime_seconds,
        skew_seconds=skew_seconds,
    )


def key_store(settings: Settings, *, skew_seconds: int = SKEW_SECONDS) -> KeyStore:
    """Open the key directory for changes.

    Args:
        settings: Where the keys live and how long tokens do.
        skew_seconds: How far the clocks of two machines may differ.

    Raises:
        KeysError: The passphrase file cannot be used.
    """
    return KeyStore(
        settings.keys_dir,
        passphrase=read_passphrase(settings.keys_passphrase_file),
        environment=settings.environment,
        timings=key_timings(settings, skew_seconds=skew_seconds),
    )


def ensure_keys(settings: Settings, *, now: datetime, spare: bool | None = None) -> Manifest:
    """Make what is missing for a start: the first key and, outside `local`, the spare.

    Args:
        settings: Where the keys live.
        now: When a new key is published.
        spare: Whether a spare is kept from the start. A laptop's JWKS begins with one key; its
            first rotation adds the spare.

    Raises:
        KeysError: One sentence for the operator.
    """
    wanted = not settings.is_local if spare is None else spare
    manifest = key_store(settings).ensure(now=now, spare=wanted)
    refuse_local_keys(manifest, environment=settings.environment)
    return manifest


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what is wrong with the keys into one sentence and exit code 2."""
    try:
        yield
    except KeysError as error:
        raise Complaint(str(error)) from error

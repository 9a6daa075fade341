"""The key directory that the settings name, for the commands that use keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from auth_service.commands.context import Refused
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


def skew_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--skew-seconds` to a command that rotates keys."""
    return click.option(
        "--skew-seconds",
        type=click.IntRange(0),
        default=SKEW_SECONDS,
        show_default=True,
        help="The largest difference between the clocks of two machines.",
    )(command)


def key_timings(settings: Settings, *, skew_seconds: int = SKEW_SECONDS) -> KeyTimings:
    """Return the delays of a rotation, from the lifetimes of the tokens."""
    return KeyTimings(
        access_lifetime_seconds=settings.access_token_lifetime_seconds,
        refresh_lifetime_seconds=settings.refresh_token_lifetime_seconds,
        skew_seconds=skew_seconds,
    )


def key_store(settings: Settings, *, skew_seconds: int = SKEW_SECONDS) -> KeyStore:
    """Open the key directory for changes.

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
    """Create the first signing key, and a spare key, if they are missing.

    Args:
        settings: Which directory, and which environment.
        now: When a new key is published.
        spare: Whether a spare key is needed. By default it is, except in `local`, where the first
            rotation creates it.

    Raises:
        KeysError: The directory cannot be used, or its keys belong to `local`.
    """
    needs_spare = not settings.is_local if spare is None else spare
    manifest = key_store(settings).ensure(now=now, spare=needs_spare)
    refuse_local_keys(manifest, environment=settings.environment)
    return manifest


@contextmanager
def refuse_on_key_error() -> Iterator[None]:
    """Refuse the command with the message of a KeysError.

    Raises:
        Refused: With that message.
    """
    try:
        yield
    except KeysError as error:
        raise Refused(str(error)) from error

"""Changes the key directory: under its lock, private keys first, the manifest last."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from auth_service.keys.errors import KeysError, RotationRefused
from auth_service.keys.files import (
    MANIFEST_NAME,
    check_directory,
    exclusive_lock,
    pem_name,
    prepare_directory,
    read_private_file,
    save_private_key,
    sync_directory,
    write_private_file,
)
from auth_service.keys.jwk import public_jwk
from auth_service.keys.manifest import Manifest, check_manifest, format_manifest, parse_manifest
from auth_service.keys.rotation import (
    Generate,
    pruned,
    revoked,
    rotated,
    spare_of,
    with_first_key,
    with_spare,
)
from auth_service.keys.states import KeyRecord, KeyState, KeyTimings, state_of

KEY_BITS = 2048
KID_CHARACTERS = 43
Change = Callable[[Manifest, Generate], Manifest]
_SIGNING_STATES = (KeyState.UPCOMING, KeyState.ACTIVE, KeyState.RETIRING)


class KeyStore:
    """Changes one key directory.

    Args:
        keys_dir: A directory with mode 0700 that belongs to this process's user.
        passphrase: Encrypts new private keys; None stores them unencrypted.
        environment: Stored with each new key, so that keys of `local` are recognized elsewhere.
        timings: The delays of a rotation.
    """

    def __init__(
        self, keys_dir: Path, *, passphrase: bytes | None, environment: str, timings: KeyTimings
    ) -> None:
        self._keys_dir = keys_dir
        self._passphrase = passphrase
        self._environment = environment
        self._timings = timings

    def read(self) -> Manifest:
        """Read the manifest.

        Raises:
            KeysError: The directory cannot be trusted, or the manifest is missing or invalid.
        """
        return read_manifest(self._keys_dir)

    def ensure(self, *, now: datetime, spare: bool) -> Manifest:
        """Create the first signing key, and the spare key if asked to, if they are missing.

        Several processes may start at once: one of them creates the keys. Nothing is written if
        nothing is missing and every private key is still needed, or if the directory is
        read-only.

        Raises:
            KeysError: The directory cannot be trusted, or its content is invalid.
        """
        if self._exists():
            manifest = self.read()
            is_complete = not spare or spare_of(manifest)
            is_clean = not self._unneeded_files(manifest, now=now)
            if (is_complete and is_clean) or not os.access(self._keys_dir, os.W_OK):
                return manifest
        prepare_directory(self._keys_dir)
        with exclusive_lock(self._keys_dir):
            if not self._exists():
                self._commit(Manifest(), with_first_key, now=now)
            return self._commit(self.read(), with_spare if spare else _unchanged, now=now)

    def add_spare(self, *, now: datetime) -> Manifest:
        """Publish a spare key, unless there is one.

        Raises:
            KeysError: The keys cannot be changed; the message says why.
        """
        return self._change(with_spare, now=now)

    def rotate(self, *, now: datetime, lead: timedelta | None = None) -> Manifest:
        """Start a rotation (`rotation.rotated`).

        Raises:
            KeysError: The keys cannot be changed; the message says why.
        """
        return self._change(partial(rotated, now=now, timings=self._timings, lead=lead), now=now)

    def revoke(self, kid: str, *, now: datetime) -> Manifest:
        """Revoke a key at once (`rotation.revoked`).

        Raises:
            KeysError: There is no such key, or the keys cannot be changed.
        """
        return self._change(partial(revoked, kid=kid, now=now), now=now)

    def _change(self, change: Change, *, now: datetime) -> Manifest:
        check_directory(self._keys_dir)
        with exclusive_lock(self._keys_dir):
            return self._commit(self.read(), change, now=now)

    def _commit(self, before: Manifest, change: Change, *, now: datetime) -> Manifest:
        generated: dict[str, rsa.RSAPrivateKey] = {}

        def generate() -> KeyRecord:
            private_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
            jwk = public_jwk(private_key.public_key())
            generated[jwk["kid"]] = private_key
            return KeyRecord(
                kid=jwk["kid"], public_jwk=jwk, made_in=self._environment, publish_at=now
            )

        after = pruned(change(before, generate), now=now, timings=self._timings)
        if after != before:
            check_manifest(after)
            for kid, private_key in generated.items():
                save_private_key(self._keys_dir, kid, private_key, passphrase=self._passphrase)
            write_private_file(self._keys_dir / MANIFEST_NAME, format_manifest(after))
        for path in self._unneeded_files(after, now=now):
            path.unlink()
        sync_directory(self._keys_dir)
        return after

    def _unneeded_files(self, manifest: Manifest, *, now: datetime) -> list[Path]:
        # Private keys that never sign again, and those that a crash left before the manifest was
        # written.
        needed = {pem_name(kid) for kid in kids_with_private_key(manifest, now=now)}
        found = self._keys_dir.glob(f"{'?' * KID_CHARACTERS}.pem")
        return [path for path in found if path.name not in needed]

    def _exists(self) -> bool:
        return (self._keys_dir / MANIFEST_NAME).exists()


def _unchanged(manifest: Manifest, _generate: Generate) -> Manifest:
    return manifest


def read_manifest(keys_dir: Path) -> Manifest:
    """Read and check the manifest of a key directory.

    Raises:
        KeysError: The directory cannot be trusted, or the manifest is missing or invalid.
    """
    check_directory(keys_dir)
    return parse_manifest(read_private_file(keys_dir / MANIFEST_NAME))


def kids_with_private_key(manifest: Manifest, *, now: datetime) -> tuple[str, ...]:
    """Return the keys that sign now or may sign later."""
    records = manifest.records
    return tuple(r.kid for r in records if state_of(r, among=records, now=now) in _SIGNING_STATES)


def resolve_kid(manifest: Manifest, prefix: str) -> str:
    """Return the full `kid` that starts with some characters.

    Raises:
        RotationRefused: No key, or several keys, start with them.
    """
    matches = [record.kid for record in manifest.records if record.kid.startswith(prefix)]
    if len(matches) != 1:
        raise RotationRefused(
            f"{len(matches) or 'No'} keys start with {prefix!r}. Name exactly one key."
        )
    return matches[0]


def refuse_local_keys(manifest: Manifest, *, environment: str) -> None:
    """Check that keys of `local` are used in `local` only.

    Raises:
        KeysError: They are not; the message names the key and what to do.
    """
    if environment == "local":
        return
    for record in manifest.records:
        if record.made_in == "local" and record.revoked_at is None:
            raise KeysError(
                f"Signing key {record.kid} was created with ENVIRONMENT=local and may have been "
                f"shared. Use an empty KEYS_DIR for {environment}."
            )

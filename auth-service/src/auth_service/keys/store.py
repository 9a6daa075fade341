"""Changes of the key directory: each under the lock, private files first, the manifest last."""

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
    """The key directory as its writers see it.

    Args:
        keys_dir: Directory 0700 owned by this process's user.
        passphrase: Encrypts the private keys that are written; None stores them as they are.
        environment: Recorded with each key, so that a demo key is recognised elsewhere.
        timings: The delays that rotations respect.
    """

    def __init__(
        self, keys_dir: Path, *, passphrase: bytes | None, environment: str, timings: KeyTimings
    ) -> None:
        self._keys_dir = keys_dir
        self._passphrase = passphrase
        self._environment = environment
        self._timings = timings

    def read(self) -> Manifest:
        """Read the manifest as it stands.

        Raises:
            KeysError: The directory may not be trusted, or the manifest is missing or invalid.
        """
        return read_manifest(self._keys_dir)

    def ensure(self, *, now: datetime, spare: bool) -> Manifest:
        """Make the first signing key where there is none, and the spare where one is wanted.

        Several processes may start at once: one makes the keys, the others find them. Where
        nothing is missing and no private key is spent nothing is written, and on a read-only
        mount nothing can be.

        Raises:
            KeysError: The directory may not be trusted, or what it holds is invalid.
        """
        if self._exists():
            manifest = self.read()
            complete = not spare or spare_of(manifest)
            tidy = not self._spent_files(manifest, now=now)
            if (complete and tidy) or not os.access(self._keys_dir, os.W_OK):
                return manifest
        prepare_directory(self._keys_dir)
        with exclusive_lock(self._keys_dir):
            if not self._exists():
                self._commit(Manifest(), with_first_key, now=now)
            return self._commit(self.read(), with_spare if spare else _unchanged, now=now)

    def add_spare(self, *, now: datetime) -> Manifest:
        """Publish a spare key where there is none.

        Raises:
            KeysError: The keys cannot be changed now; the sentence says why.
        """
        return self._change(with_spare, now=now)

    def rotate(self, *, now: datetime, lead: timedelta | None = None) -> Manifest:
        """Start a rotation (`rotation.rotated`).

        Raises:
            KeysError: The keys cannot be changed now; the sentence says why.
        """
        return self._change(partial(rotated, now=now, timings=self._timings, lead=lead), now=now)

    def revoke(self, kid: str, *, now: datetime) -> Manifest:
        """Stop trusting a key at once (`rotation.revoked`).

        Raises:
            KeysError: There is no such key, or the keys cannot be changed now.
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
        for path in self._spent_files(after, now=now):
            path.unlink()
        sync_directory(self._keys_dir)
        return after

    def _spent_files(self, manifest: Manifest, *, now: datetime) -> list[Path]:
        # A private key that never signs again is a risk without a use, and so is one that a
        # crash left behind before its manifest was written.
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
        KeysError: The directory may not be trusted, or the manifest is missing or invalid.
    """
    check_directory(keys_dir)
    return parse_manifest(read_private_file(keys_dir / MANIFEST_NAME))


def kids_with_private_key(manifest: Manifest, *, now: datetime) -> tuple[str, ...]:
    """Name the keys whose private half may still be needed."""
    records = manifest.records
    return tuple(r.kid for r in records if state_of(r, among=records, now=now) in _SIGNING_STATES)


def resolve_kid(manifest: Manifest, prefix: str) -> str:
    """Complete the first characters of a kid, as a person types them.

    Raises:
        RotationRefused: No key or several keys begin like that.
    """
    matches = [record.kid for record in manifest.records if record.kid.startswith(prefix)]
    if len(matches) != 1:
        raise RotationRefused(f"{len(matches) or 'No'} keys begin with {prefix!r}; name one key.")
    return matches[0]


def refuse_local_keys(manifest: Manifest, *, environment: str) -> None:
    """Refuse keys of a demo where the environment is not `local`.

    Raises:
        KeysError: Names the key and the way out.
    """
    if environment == "local":
        return
    for record in manifest.records:
        if record.made_in == "local" and record.revoked_at is None:
            raise KeysError(
                f"Signing key {record.kid} was made with ENVIRONMENT=local and may have been "
                f"shared; for {environment} start with an empty KEYS_DIR."
            )

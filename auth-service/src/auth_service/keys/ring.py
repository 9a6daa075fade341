"""The keys in a worker: which one signs, which ones verify, and the JWKS."""

import base64
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from auth_service.keys.errors import KeysError, ManifestInvalid
from auth_service.keys.files import MANIFEST_NAME, load_private_key
from auth_service.keys.jwk import public_jwk, public_key_of, thumbprint
from auth_service.keys.manifest import Manifest
from auth_service.keys.states import KeyRecord, is_published, signing_record, verifies_refresh
from auth_service.keys.store import kids_with_private_key, read_manifest

logger = logging.getLogger(__name__)
POLL_SECONDS = 1.0
Fingerprint = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, parsed once: parsing its PEM takes as long as a hundred signatures."""

    kid: str
    private_key: RSAPrivateKey


@dataclass(frozen=True, slots=True)
class JwksDocument:
    """The published key set: its JSON, its ETag in quotes, and the `kid`s in it (RFC 7517 §5)."""

    body: bytes
    etag: str
    kids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    manifest: Manifest
    signing_keys: Mapping[str, SigningKey]
    public_keys: Mapping[str, RSAPublicKey]
    by_kid: Mapping[str, KeyRecord]


class KeyRing:
    """The keys of the key directory, at most two seconds old.

    A look-up first compares the manifest's stat, at most once a second. The call that notices a
    changed manifest reads it; all others use the keys in memory meanwhile. If the manifest cannot
    be used, the keys in memory stay in use and `alarm` is set to the reason.
    """

    def __init__(
        self,
        keys_dir: Path,
        *,
        passphrase: bytes | None,
        now: datetime,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys_dir = keys_dir
        self._passphrase = passphrase
        self._monotonic = monotonic
        self._reload_lock = threading.Lock()
        self._fingerprint = self._stat()
        self._loaded = self._load(now=now, known={})
        self._confirmed_at = self._next_look = monotonic()
        self._jwks: tuple[tuple[str, ...], JwksDocument] | None = None
        self.alarm: str | None = None

    @property
    def age_seconds(self) -> float:
        """Seconds since the keys in memory were last known to be those on disk."""
        return self._monotonic() - self._confirmed_at

    def manifest(self, *, now: datetime) -> Manifest:
        return self._current(now).manifest

    def signing_key(self, now: datetime) -> SigningKey:
        """Return the key that signs at `now`.

        Raises:
            KeysError: The manifest has no such key.
        """
        loaded = self._current(now)
        record = signing_record(loaded.manifest.records, now=now)
        if record is None or record.kid not in loaded.signing_keys:
            raise KeysError("No key can sign. Run `auth-service doctor`.")
        return loaded.signing_keys[record.kid]

    def verification_key(
        self, kid: str, *, now: datetime, for_refresh: bool
    ) -> RSAPublicKey | None:
        """Return the public key that verifies a token.

        Args:
            kid: From the token's header.
            now: The time of the check.
            for_refresh: Whether it is a refresh token. Those are valid for longer than their key
                is published.

        Returns:
            None if the key is unknown, expired or revoked.
        """
        loaded = self._current(now)
        record = loaded.by_kid.get(kid)
        if record is None:
            return None
        accepted = verifies_refresh if for_refresh else is_published
        return loaded.public_keys[kid] if accepted(record, now=now) else None

    def jwks(self, now: datetime) -> JwksDocument:
        """Return the published key set."""
        records = self._current(now).manifest.records
        published = [record for record in records if is_published(record, now=now)]
        kids = tuple(record.kid for record in published)
        if self._jwks is None or self._jwks[0] != kids:
            self._jwks = (kids, _jwks_document(published))
        return self._jwks[1]

    def _current(self, now: datetime) -> _Loaded:
        if self._monotonic() >= self._next_look and self._reload_lock.acquire(blocking=False):
            try:
                self._look(now=now)
            finally:
                self._reload_lock.release()
        return self._loaded

    def _look(self, *, now: datetime) -> None:
        self._next_look = self._monotonic() + POLL_SECONDS
        try:
            fingerprint = self._stat()
            if fingerprint != self._fingerprint or self.alarm:
                self._loaded = self._load(now=now, known=self._loaded.signing_keys)
                self._fingerprint = fingerprint
                logger.info("signing keys reloaded")
        except KeysError as error:
            if self.alarm is None:
                logger.error(  # noqa: TRY400 # the message is enough
                    "signing keys not reloaded; the previous keys stay in use: %s", error
                )
            self.alarm = str(error)
            return
        self.alarm = None
        self._confirmed_at = self._monotonic()

    def _load(self, *, now: datetime, known: Mapping[str, SigningKey]) -> _Loaded:
        while True:
            before = self._stat()
            try:
                return self._read(now=now, known=known)
            except KeysError:
                # A change that finished meanwhile has removed private keys of the old manifest.
                if self._stat() == before:
                    raise

    def _read(self, *, now: datetime, known: Mapping[str, SigningKey]) -> _Loaded:
        manifest = read_manifest(self._keys_dir)
        return _Loaded(
            manifest=manifest,
            signing_keys={
                kid: known.get(kid) or self._load_signing_key(kid)
                for kid in kids_with_private_key(manifest, now=now)
            },
            public_keys={r.kid: public_key_of(r.public_jwk) for r in manifest.records},
            by_kid={record.kid: record for record in manifest.records},
        )

    def _load_signing_key(self, kid: str) -> SigningKey:
        private_key = load_private_key(self._keys_dir, kid, passphrase=self._passphrase)
        if thumbprint(public_jwk(private_key.public_key())) != kid:
            raise ManifestInvalid(f"The file of key {kid} contains another private key.")
        return SigningKey(kid=kid, private_key=private_key)

    def _stat(self) -> Fingerprint:
        # chmod and chown change the ctime too, so a wrong mode is noticed.
        try:
            found = os.lstat(self._keys_dir / MANIFEST_NAME)
        except OSError as error:
            raise KeysError(
                f"There is no readable {MANIFEST_NAME} in {self._keys_dir} ({error.strerror}). "
                "Run `auth-service keys init` to create the first keys."
            ) from error
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def open_key_ring(keys_dir: Path, *, passphrase: bytes | None, now: datetime) -> KeyRing:
    """Load the signing keys.

    Args:
        keys_dir: The key directory; `KeyStore.ensure` creates the first keys.
        passphrase: Decrypts encrypted private keys.
        now: Decides which private keys are still needed.

    Raises:
        KeysError: The directory, the manifest or a key cannot be trusted or read.
    """
    return KeyRing(keys_dir, passphrase=passphrase, now=now)


def _jwks_document(published: list[KeyRecord]) -> JwksDocument:
    keys = [dict(record.public_jwk) for record in published]
    body = json.dumps({"keys": keys}, separators=(",", ":")).encode("ascii")
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:18]).decode("ascii")
    return JwksDocument(body=body, etag=f'"{digest}"', kids=tuple(r.kid for r in published))

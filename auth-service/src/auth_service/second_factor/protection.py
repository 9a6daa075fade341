"""Protects what proves a second factor with the keys of SECOND_FACTOR_KEY."""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from auth_service.errors import Unavailable

# NIST SP 800-38D §8.2.2: a random nonce of 96 bits.
_NONCE_BYTES = 12

logger = logging.getLogger(__name__)


class Protection:
    """Encrypts secrets (AES-256-GCM) and digests recovery codes (HMAC-SHA-256).

    A row that is copied to another user is of no use: the user's id belongs to what is encrypted
    or digested.

    Args:
        keys: The first one protects; the others are still accepted. They are random, so no slow
            derivation is needed.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._ciphers = [AESGCM(_derive(key, "secrets")) for key in keys]
        self._digest_keys = [_derive(key, "recovery codes") for key in keys]

    def encrypt(self, secret: str, *, user_id: UUID) -> bytes:
        """Encrypt a secret for its user's row."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret.encode(), user_id.bytes)

    def decrypt(self, encrypted: bytes, *, user_id: UUID) -> str:
        """Return the secret of a row.

        Raises:
            Unavailable: None of the keys decrypts it. An operator has to bring the key back.
        """
        opened = self._open(encrypted, user_id)
        if opened is None:
            logger.error("SECOND_FACTOR_KEY does not decrypt the second factor of user %s", user_id)
            raise Unavailable
        return opened[1]

    def key_of(self, encrypted: bytes, *, user_id: UUID) -> int | None:
        """Return which key decrypts a row, 0 for the first one; None if none does."""
        opened = self._open(encrypted, user_id)
        return opened[0] if opened else None

    def digests(self, recovery_code: str, *, user_id: UUID) -> list[bytes]:
        """Return what is stored of a recovery code: under the first key, then under the others."""
        message = user_id.bytes + recovery_code.encode()
        return [hmac.digest(key, message, hashlib.sha256) for key in self._digest_keys]

    def _open(self, encrypted: bytes, user_id: UUID) -> tuple[int, str] | None:
        nonce, ciphertext = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
        for position, cipher in enumerate(self._ciphers):
            try:
                return position, cipher.decrypt(nonce, ciphertext, user_id.bytes).decode()
            except InvalidTag:
                continue
        return None


def _derive(key: str, purpose: str) -> bytes:
    info = f"second factor: {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode())

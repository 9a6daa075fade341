"""Signing keys: the directory that stores them, when each may sign or verify, and their rotation.

`KeyStore` changes the directory (for the command line and the first start), `KeyRing` reads it
(in every worker). Each key's timestamps in the manifest, not commands, move it from state to state.
"""

from auth_service.keys.errors import (
    KeyFileRefused,
    KeysBusy,
    KeysError,
    ManifestInvalid,
    RotationRefused,
)
from auth_service.keys.files import read_passphrase
from auth_service.keys.jwk import public_jwk, public_key_of, thumbprint
from auth_service.keys.manifest import Manifest
from auth_service.keys.ring import JwksDocument, KeyRing, SigningKey, open_key_ring
from auth_service.keys.states import (
    SKEW_SECONDS,
    KeyRecord,
    KeyState,
    KeyTimings,
    in_state_since,
    next_change,
    state_of,
)
from auth_service.keys.store import KeyStore, read_manifest, refuse_local_keys, resolve_kid

__all__ = [
    "SKEW_SECONDS",
    "JwksDocument",
    "KeyFileRefused",
    "KeyRecord",
    "KeyRing",
    "KeyState",
    "KeyStore",
    "KeyTimings",
    "KeysBusy",
    "KeysError",
    "Manifest",
    "ManifestInvalid",
    "RotationRefused",
    "SigningKey",
    "in_state_since",
    "next_change",
    "open_key_ring",
    "public_jwk",
    "public_key_of",
    "read_manifest",
    "read_passphrase",
    "refuse_local_keys",
    "resolve_kid",
    "state_of",
    "thumbprint",
]

"""`manifest.json`: which keys exist and when each changes its state; reading, checking, writing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from auth_service.keys.errors import ManifestInvalid
from auth_service.keys.jwk import public_key_of
from auth_service.keys.states import KeyRecord

VERSION = 1
_LIFE = ("publish_at", "sign_at", "sign_until", "unpublish_at", "refresh_verify_until")
_MOMENTS = (*_LIFE, "revoked_at")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All keys that still matter, oldest first."""

    records: tuple[KeyRecord, ...] = field(default=())

    def with_records(self, *changed: KeyRecord) -> "Manifest":
        """Replace the records of the same `kid` and append the others."""
        by_kid = {record.kid: record for record in self.records}
        by_kid.update({record.kid: record for record in changed})
        return Manifest(tuple(by_kid.values()))

    def find(self, kid: str) -> KeyRecord | None:
        """Look a key up by its full `kid`."""
        return next((record for record in self.records if record.kid == kid), None)


def parse_manifest(text: bytes) -> Manifest:
    """Read a manifest and prove that it is consistent.

    Raises:
        ManifestInvalid: Broken JSON, a missing member, a key that is not what its `kid` says,
            or timestamps under which a key would sign while it is not published.
    """
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ManifestInvalid(f"The manifest has version {document['version']}, not {VERSION}.")
        manifest = Manifest(tuple(_parse_record(entry) for entry in document["keys"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestInvalid(f"The manifest cannot be read: {error!r}.") from error
    check_manifest(manifest)
    return manifest


def format_manifest(manifest: Manifest) -> bytes:
    """Write the manifest as a person in an emergency wants to read it."""
    document = {"version": VERSION, "keys": [_format_record(r) for r in manifest.records]}
    return json.dumps(document, indent=2).encode("ascii") + b"\n"


def check_manifest(manifest: Manifest) -> None:
    """Prove that a published key signs at every moment from now on.

    Raises:
        ManifestInvalid: Says which key and which moments contradict each other.
    """
    kids = [record.kid for record in manifest.records]
    if len(set(kids)) != len(kids):
        raise ManifestInvalid("A key stands in the manifest twice.")
    for record in manifest.records:
        _check_record(record)
    lasting = [
        record.kid
        for record in manifest.records
        if record.sign_at and not record.sign_until and not record.revoked_at
    ]
    if len(lasting) != 1:
        raise ManifestInvalid(
            f"One key must sign until further notice, but {len(lasting)} do: {lasting}."
        )


def _check_record(record: KeyRecord) -> None:
    public_key_of(record.public_jwk)
    if record.public_jwk["kid"] != record.kid:
        raise ManifestInvalid(f"Key {record.kid} carries the public key of another one.")
    life = [moment for name in _LIFE if (moment := getattr(record, name)) is not None]
    if life != sorted(life):
        raise ManifestInvalid(f"The moments of key {record.kid} are not in order.")
    closing = [getattr(record, name) is None for name in _LIFE[2:]]
    if len(set(closing)) != 1 or (record.sign_until and not record.sign_at):
        raise ManifestInvalid(f"Key {record.kid} lacks some of the moments at which it closes.")


def _parse_record(entry: Mapping[str, object]) -> KeyRecord:
    jwk, kid, made_in = entry["public_jwk"], entry["kid"], entry["made_in"]
    if not (isinstance(jwk, dict) and isinstance(kid, str) and isinstance(made_in, str)):
        raise ManifestInvalid("A key in the manifest lacks its kid, its origin or its public half.")
    moments = {name: _parse_moment(entry.get(name)) for name in _MOMENTS}
    publish_at = moments.pop("publish_at")
    if publish_at is None:
        raise ManifestInvalid(f"Key {kid} has no publish_at.")
    return KeyRecord(kid=kid, public_jwk=jwk, made_in=made_in, publish_at=publish_at, **moments)


def _format_record(record: KeyRecord) -> dict[str, object]:
    moments = {name: _format_moment(getattr(record, name)) for name in _MOMENTS}
    public = dict(record.public_jwk)
    return {"kid": record.kid, "made_in": record.made_in, **moments, "public_jwk": public}


def _parse_moment(text: object) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ManifestInvalid(f"The moment {text} in the manifest has no time zone.")
    return moment.astimezone(UTC)


def _format_moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

"""`manifest.json`: which keys exist, and when the state of each changes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from auth_service.keys.errors import ManifestInvalid
from auth_service.keys.jwk import public_key_of
from auth_service.keys.states import KeyRecord

VERSION = 1
_TIMELINE = ("publish_at", "sign_at", "sign_until", "unpublish_at", "refresh_verify_until")
_TIMESTAMPS = (*_TIMELINE, "revoked_at")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All keys, except those whose last token has expired; oldest first."""

    records: tuple[KeyRecord, ...] = field(default=())

    def with_records(self, *changed: KeyRecord) -> "Manifest":
        """Return a manifest with records added, or replaced by `kid`."""
        by_kid = {record.kid: record for record in self.records}
        by_kid.update({record.kid: record for record in changed})
        return Manifest(tuple(by_kid.values()))

    def find(self, kid: str) -> KeyRecord | None:
        return next((record for record in self.records if record.kid == kid), None)


def parse_manifest(text: bytes) -> Manifest:
    """Parse and check a manifest.

    Raises:
        ManifestInvalid: It is not JSON, a member is missing, a `kid` is not its key's
            thumbprint, or a key would sign while it is not published.
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
    """Return the manifest as indented JSON, which an operator can read."""
    document = {"version": VERSION, "keys": [_format_record(r) for r in manifest.records]}
    return json.dumps(document, indent=2).encode("ascii") + b"\n"


def check_manifest(manifest: Manifest) -> None:
    """Check that at any time from now on, a published key signs.

    Raises:
        ManifestInvalid: The message names the key whose timestamps are wrong.
    """
    kids = [record.kid for record in manifest.records]
    if len(set(kids)) != len(kids):
        raise ManifestInvalid("A key appears in the manifest twice.")
    for record in manifest.records:
        _check_record(record)
    lasting = [
        record.kid
        for record in manifest.records
        if record.sign_at and not record.sign_until and not record.revoked_at
    ]
    if len(lasting) != 1:
        raise ManifestInvalid(
            f"Exactly one key must sign without an end, but {len(lasting)} do: {lasting}."
        )


def _check_record(record: KeyRecord) -> None:
    public_key_of(record.public_jwk)
    if record.public_jwk["kid"] != record.kid:
        raise ManifestInvalid(f"Key {record.kid} has the public key of another key.")
    timeline = [moment for name in _TIMELINE if (moment := getattr(record, name)) is not None]
    if timeline != sorted(timeline):
        raise ManifestInvalid(f"The timestamps of key {record.kid} are not in order.")
    closing = [getattr(record, name) is None for name in _TIMELINE[2:]]
    if len(set(closing)) != 1 or (record.sign_until and not record.sign_at):
        raise ManifestInvalid(
            f"Key {record.kid} lacks some of sign_until, unpublish_at, refresh_verify_until."
        )


def _parse_record(entry: Mapping[str, object]) -> KeyRecord:
    jwk, kid, made_in = entry["public_jwk"], entry["kid"], entry["made_in"]
    if not (isinstance(jwk, dict) and isinstance(kid, str) and isinstance(made_in, str)):
        raise ManifestInvalid("A key in the manifest lacks its kid, made_in or public_jwk.")
    moments = {name: _parse_moment(entry.get(name)) for name in _TIMESTAMPS}
    publish_at = moments.pop("publish_at")
    if publish_at is None:
        raise ManifestInvalid(f"Key {kid} has no publish_at.")
    return KeyRecord(kid=kid, public_jwk=jwk, made_in=made_in, publish_at=publish_at, **moments)


def _format_record(record: KeyRecord) -> dict[str, object]:
    moments = {name: _format_moment(getattr(record, name)) for name in _TIMESTAMPS}
    public = dict(record.public_jwk)
    return {"kid": record.kid, "made_in": record.made_in, **moments, "public_jwk": public}


def _parse_moment(text: object) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ManifestInvalid(f"The timestamp {text} in the manifest has no time zone.")
    return moment.astimezone(UTC)


def _format_moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

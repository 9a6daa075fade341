"""The changes of a set of signing keys, as functions from manifest to manifest.

Their argument `generate` creates a key that is published at once and has no time to sign yet.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from auth_service.keys.errors import RotationRefused
from auth_service.keys.manifest import Manifest
from auth_service.keys.states import KeyRecord, KeyTimings, signing_record, verifies_refresh

Generate = Callable[[], KeyRecord]


def spare_of(manifest: Manifest) -> KeyRecord | None:
    """Return the spare key: published, without a time to sign."""
    return next((r for r in manifest.records if r.sign_at is None and not r.revoked_at), None)


def scheduled_of(manifest: Manifest, *, now: datetime) -> KeyRecord | None:
    """Return the key that will start to sign later."""
    active = signing_record(manifest.records, now=now)
    for record in manifest.records:
        if (
            record is not active
            and record.sign_at
            and record.sign_at > now
            and not record.revoked_at
        ):
            return record
    return None


def with_first_key(manifest: Manifest, generate: Generate) -> Manifest:
    """Add a key that signs at once: no verifier has cached a JWKS without it."""
    first = generate()
    return manifest.with_records(replace(first, sign_at=first.publish_at))


def with_spare(manifest: Manifest, generate: Generate) -> Manifest:
    """Add a spare key, unless there is one."""
    return manifest if spare_of(manifest) else manifest.with_records(generate())


def rotated(
    manifest: Manifest,
    generate: Generate,
    *,
    now: datetime,
    timings: KeyTimings,
    lead: timedelta | None = None,
) -> Manifest:
    """Schedule the spare key to sign, and publish another spare key.

    The time that the spare key has been published counts towards the lead. So it usually signs as
    soon as every worker has noticed. Without a spare key, a new key signs after the whole lead.

    Args:
        manifest: The current keys.
        generate: Creates a key.
        now: The time of the change.
        timings: The delays to respect.
        lead: How long a key is published before it signs, for drills; None for the usual time.

    Raises:
        RotationRefused: Another rotation has not finished, or no key signs.
    """
    scheduled = scheduled_of(manifest, now=now)
    if scheduled:
        raise RotationRefused(
            f"A rotation has not finished: key {scheduled.kid} signs from "
            f"{scheduled.sign_at:%F %T} UTC. "
            "Wait for it, or revoke that key to cancel the rotation."
        )
    active = signing_record(manifest.records, now=now)
    if active is None:
        raise RotationRefused("No key signs. Run `auth-service keys init` to create the first one.")
    successor = spare_of(manifest) or generate()
    required = timings.lead if lead is None else lead
    sign_at = max(successor.publish_at + required, now + min(required, timings.notice))
    return with_spare(
        manifest.with_records(
            retired(active, sign_at=sign_at, timings=timings), replace(successor, sign_at=sign_at)
        ),
        generate,
    )


def revoked(manifest: Manifest, generate: Generate, *, kid: str, now: datetime) -> Manifest:
    """Revoke a key at once, and make sure that a key signs and a spare key is published.

    The active key is replaced at once by the key that verifiers have known for longest: the
    scheduled key, else the spare key, else a new one. Revoking a scheduled key cancels its
    rotation.

    Raises:
        RotationRefused: There is no such key, or it is already revoked.
    """
    target = manifest.find(kid)
    if target is None or target.revoked_at is not None:
        reason = "already revoked" if target else "not in the manifest"
        raise RotationRefused(f"Key {kid} is {reason}.")
    active = signing_record(manifest.records, now=now)
    scheduled = scheduled_of(manifest, now=now)
    remaining = manifest.with_records(replace(target, revoked_at=now))
    if active and target is active:
        successor = scheduled or spare_of(remaining) or generate()
        remaining = remaining.with_records(replace(successor, sign_at=now))
    elif active and target is scheduled:
        kept = replace(active, sign_until=None, unpublish_at=None, refresh_verify_until=None)
        remaining = remaining.with_records(kept)
    return with_spare(remaining, generate)


def retired(record: KeyRecord, *, sign_at: datetime, timings: KeyTimings) -> KeyRecord:
    """Set when a key stops to sign, to be published and to verify; its successor signs then."""
    return replace(
        record,
        sign_until=sign_at,
        unpublish_at=sign_at + timings.access_tail,
        refresh_verify_until=sign_at + max(timings.refresh_tail, timings.access_tail),
    )


def pruned(manifest: Manifest, *, now: datetime, timings: KeyTimings) -> Manifest:
    """Remove the keys whose last token has expired. A revoked key is kept for as long."""

    def is_needed(record: KeyRecord) -> bool:
        if record.revoked_at is not None:
            return now < record.revoked_at + timings.refresh_tail
        return verifies_refresh(record, now=now)

    return Manifest(tuple(record for record in manifest.records if is_needed(record)))

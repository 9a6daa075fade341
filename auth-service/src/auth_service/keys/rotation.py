"""The changes a set of signing keys can go through, as functions from manifest to manifest.

Each takes `generate`, which makes a key that is published at once and is nobody's spare yet.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from auth_service.keys.errors import RotationRefused
from auth_service.keys.manifest import Manifest
from auth_service.keys.states import KeyRecord, KeyTimings, signing_record, verifies_refresh

Generate = Callable[[], KeyRecord]


def spare_of(manifest: Manifest) -> KeyRecord | None:
    """Find the key that is published and waits to be needed."""
    return next((r for r in manifest.records if r.sign_at is None and not r.revoked_at), None)


def scheduled_of(manifest: Manifest, *, now: datetime) -> KeyRecord | None:
    """Find the key whose turn to sign is fixed but has not come."""
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
    """Add a key that signs from the moment it is published: nobody waits for the first one."""
    first = generate()
    return manifest.with_records(replace(first, sign_at=first.publish_at))


def with_spare(manifest: Manifest, generate: Generate) -> Manifest:
    """Publish a spare, unless there is one."""
    return manifest if spare_of(manifest) else manifest.with_records(generate())


def rotated(
    manifest: Manifest,
    generate: Generate,
    *,
    now: datetime,
    timings: KeyTimings,
    lead: timedelta | None = None,
) -> Manifest:
    """Give the spare its turn to sign and publish another spare.

    The spare's time in the JWKS counts towards the lead, so where it has been published long
    enough it takes over as soon as every worker has noticed. Where there is none, a new key is
    the next one and the whole lead is waited for.

    Args:
        manifest: The keys as they are.
        generate: Makes a key.
        now: The moment of the decision.
        timings: The delays to respect.
        lead: A shorter or longer time to be published before signing, for drills.

    Raises:
        RotationRefused: A rotation is under way, or no key signs.
    """
    scheduled = scheduled_of(manifest, now=now)
    if scheduled:
        raise RotationRefused(
            f"A rotation is under way: key {scheduled.kid} signs from {scheduled.sign_at:%F %T} "
            "UTC; wait for it, or revoke that key to give the rotation up."
        )
    active = signing_record(manifest.records, now=now)
    if active is None:
        raise RotationRefused("No key signs; `auth-service keys init` makes the first one.")
    successor = spare_of(manifest) or generate()
    waited = timings.lead if lead is None else lead
    sign_at = max(successor.publish_at + waited, now + min(waited, timings.notice))
    return with_spare(
        manifest.with_records(
            retired(active, sign_at=sign_at, timings=timings), replace(successor, sign_at=sign_at)
        ),
        generate,
    )


def revoked(manifest: Manifest, generate: Generate, *, kid: str, now: datetime) -> Manifest:
    """Stop trusting a key at once and leave a signing key and a spare behind.

    The active key's place is taken, at once, by the key that verifiers have known longest: one
    already scheduled, else the spare, else a new one. Revoking a scheduled key gives its
    rotation up.

    Raises:
        RotationRefused: No such key, or it is revoked already.
    """
    target = manifest.find(kid)
    if target is None or target.revoked_at is not None:
        known = "revoked already" if target else "not in the manifest"
        raise RotationRefused(f"Key {kid} is {known}.")
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
    """Fix when a key closes whose successor signs from `sign_at`."""
    return replace(
        record,
        sign_until=sign_at,
        unpublish_at=sign_at + timings.access_tail,
        refresh_verify_until=sign_at + max(timings.refresh_tail, timings.access_tail),
    )


def pruned(manifest: Manifest, *, now: datetime, timings: KeyTimings) -> Manifest:
    """Forget keys of which no token can be alive; a revoked one is shown for as long."""

    def matters(record: KeyRecord) -> bool:
        if record.revoked_at is not None:
            return now < record.revoked_at + timings.refresh_tail
        return verifies_refresh(record, now=now)

    return Manifest(tuple(record for record in manifest.records if matters(record)))

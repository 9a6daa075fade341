"""Rotation, revocation and the spare key."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auth_service.keys import (
    KeyRecord,
    KeyRing,
    KeysError,
    KeyState,
    KeyStore,
    KeyTimings,
    Manifest,
    ManifestInvalid,
    RotationRefused,
    open_key_ring,
    refuse_local_keys,
    resolve_kid,
    state_of,
)
from auth_service.keys.manifest import check_manifest, format_manifest, parse_manifest
from auth_service.keys.states import is_published

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
TIMINGS = KeyTimings(access_lifetime_seconds=300, refresh_lifetime_seconds=86_400)
SECOND = timedelta(seconds=1)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    """Hold nothing yet."""
    return KeyStore(tmp_path / "keys", passphrase=None, environment="staging", timings=TIMINGS)


def states(manifest: Manifest, now: datetime) -> list[str]:
    """Name the state of each key, oldest first."""
    return [state_of(record, among=manifest.records, now=now) for record in manifest.records]


def still_open(record: KeyRecord) -> KeyRecord:
    """Make a key of it that has no successor yet."""
    return replace(record, sign_until=None, unpublish_at=None, refresh_verify_until=None)


def ring_at(tmp_path: Path, now: datetime) -> KeyRing:
    """Be a worker that starts at `now`."""
    return open_key_ring(tmp_path / "keys", passphrase=None, now=now)


def test_the_first_start_makes_a_key_that_signs_at_once(store: KeyStore) -> None:
    """The first log-in does not have to wait."""
    manifest = store.ensure(now=NOON, spare=False)

    assert states(manifest, NOON) == ["active"]


def test_the_first_start_outside_a_laptop_also_publishes_a_spare(store: KeyStore) -> None:
    """An emergency revocation needs a key that every verifier already knows."""
    manifest = store.ensure(now=NOON, spare=True)

    assert states(manifest, NOON) == ["active", "upcoming"]
    assert all(is_published(record, now=NOON) for record in manifest.records)


def test_a_later_start_adds_the_missing_spare_and_nothing_else(store: KeyStore) -> None:
    """Starting twice changes nothing; a directory from a laptop-like start is completed."""
    first = store.ensure(now=NOON, spare=False)
    second = store.ensure(now=NOON + SECOND, spare=True)
    third = store.ensure(now=NOON + 2 * SECOND, spare=True)

    assert second.records[0] == first.records[0]
    assert states(second, NOON + SECOND) == ["active", "upcoming"]
    assert third == second


def test_a_new_key_is_published_long_before_it_signs(store: KeyStore) -> None:
    """A verifier that fetched the JWKS just before, and failed once, still knows the new key."""
    store.ensure(now=NOON, spare=False)
    manifest = store.rotate(now=NOON)

    old, new, _spare = manifest.records
    assert new.sign_at == NOON + timedelta(seconds=2 * 330 + 60 + 2 + 30)
    assert states(manifest, NOON) == ["active", "upcoming", "upcoming"]
    assert states(manifest, new.sign_at - SECOND)[:2] == ["active", "upcoming"]
    assert states(manifest, new.sign_at)[:2] == ["retiring", "active"]
    assert old.unpublish_at == new.sign_at + timedelta(seconds=330)
    assert states(manifest, old.unpublish_at - SECOND)[0] == "retiring"
    assert states(manifest, old.unpublish_at)[0] == "refresh-verify-only"
    assert states(manifest, new.sign_at + timedelta(days=1, seconds=31))[0] == "expired"


def test_a_spare_that_all_verifiers_know_signs_as_soon_as_all_workers_noticed(
    store: KeyStore,
) -> None:
    """The spare has waited its lead already, so a rotation takes half a minute to begin."""
    spare = store.ensure(now=NOON, spare=True).records[1]
    later = NOON + timedelta(days=30)

    manifest = store.rotate(now=later)

    rotated = manifest.find(spare.kid)
    assert rotated is not None
    assert rotated.sign_at == later + timedelta(seconds=32)
    assert len(manifest.records) == 3, "another spare is published in its place"


def test_a_fresh_spare_still_waits_the_rest_of_its_lead(store: KeyStore) -> None:
    """Promoting a spare too early would sign with a key some verifier has not fetched."""
    store.ensure(now=NOON, spare=True)

    manifest = store.rotate(now=NOON + timedelta(seconds=100))

    assert manifest.records[1].sign_at == NOON + TIMINGS.lead


def test_a_second_rotation_waits_for_the_first(store: KeyStore) -> None:
    """An impatient operator does not shorten the lead by typing twice."""
    store.ensure(now=NOON, spare=True)
    store.rotate(now=NOON)

    with pytest.raises(RotationRefused, match="has not finished"):
        store.rotate(now=NOON + SECOND)


def test_a_drill_may_shorten_the_lead(store: KeyStore) -> None:
    """A drill on a laptop takes seconds."""
    store.ensure(now=NOON, spare=False)

    manifest = store.rotate(now=NOON, lead=timedelta(seconds=5))

    assert manifest.records[1].sign_at == NOON + timedelta(seconds=5)


def test_after_a_revocation_of_the_active_key_the_spare_signs_at_once(
    store: KeyStore, tmp_path: Path
) -> None:
    """New tokens are issued in the same second, old ones are refused, a spare is refilled."""
    active, spare = store.ensure(now=NOON, spare=True).records

    manifest = store.revoke(active.kid, now=NOON + SECOND)

    ring = ring_at(tmp_path, NOON + SECOND)
    assert ring.signing_key(NOON + SECOND).kid == spare.kid
    for kind in (True, False):
        assert ring.verification_key(active.kid, now=NOON + SECOND, for_refresh=kind) is None
    assert states(manifest, NOON + SECOND) == ["revoked", "active", "upcoming"]
    assert active.kid not in ring.jwks(NOON + SECOND).kids


def test_a_worker_whose_clock_is_behind_still_issues_tokens_after_a_revocation(
    store: KeyStore, tmp_path: Path
) -> None:
    """The command's clock may be seconds ahead of a worker's."""
    active, spare = store.ensure(now=NOON, spare=True).records
    store.revoke(active.kid, now=NOON + 20 * SECOND)

    assert ring_at(tmp_path, NOON + SECOND).signing_key(NOON + SECOND).kid == spare.kid


def test_a_revocation_long_after_a_rotation_leaves_the_oldest_key_alone(
    store: KeyStore, tmp_path: Path
) -> None:
    """The key before the revoked one has closed; it must not be asked to sign again."""
    oldest, leaked, spare = _mid_rotation(store).records
    later = NOON + timedelta(hours=2)

    manifest = store.revoke(leaked.kid, now=later)

    assert states(manifest, later) == ["refresh-verify-only", "revoked", "active", "upcoming"]
    behind = later - 20 * SECOND
    ring = ring_at(tmp_path, behind)
    assert ring.signing_key(behind).kid == spare.kid
    assert ring.verification_key(oldest.kid, now=later, for_refresh=True)


def test_a_revocation_without_a_spare_creates_the_keys_it_needs(store: KeyStore) -> None:
    """On a laptop there is no spare, yet a revocation leaves a signing key and a spare."""
    active = store.ensure(now=NOON, spare=False).records[0]

    manifest = store.revoke(active.kid, now=NOON)

    assert states(manifest, NOON) == ["revoked", "active", "upcoming"]


def test_revoking_the_active_key_during_a_rotation_ends_the_wait(store: KeyStore) -> None:
    """The key that was about to sign is the one verifiers know best."""
    active, following, spare = _mid_rotation(store).records

    manifest = store.revoke(active.kid, now=NOON + SECOND)

    assert states(manifest, NOON + SECOND) == ["revoked", "active", "upcoming"]
    assert [record.kid for record in manifest.records] == [active.kid, following.kid, spare.kid]


def test_revoking_the_next_key_cancels_the_rotation(store: KeyStore) -> None:
    """The active key must not retire towards a successor that never signs."""
    active, following, _ = _mid_rotation(store).records

    manifest = store.revoke(following.kid, now=NOON + SECOND)

    assert manifest.records[0] == still_open(active)
    assert states(manifest, NOON + timedelta(days=2)) == ["active", "revoked", "upcoming"]


def test_revoking_a_retiring_key_leaves_the_active_one_alone(store: KeyStore) -> None:
    """A leak found after the rotation closes the old key early."""
    active, following, _ = _mid_rotation(store).records
    turn = NOON + TIMINGS.lead

    manifest = store.revoke(active.kid, now=turn)

    assert states(manifest, turn) == ["revoked", "active", "upcoming"]
    assert manifest.find(following.kid) == following


def test_a_key_is_revoked_once(store: KeyStore) -> None:
    """A second revocation is refused and changes no timestamp."""
    active = store.ensure(now=NOON, spare=True).records[0]
    store.revoke(active.kid, now=NOON)

    with pytest.raises(RotationRefused, match="already"):
        store.revoke(active.kid, now=NOON + SECOND)


def test_refresh_tokens_outlive_the_publication_of_their_key(
    store: KeyStore, tmp_path: Path
) -> None:
    """A rotation logs no user out: the last refresh token of the old key still works."""
    old, _new, _spare = _mid_rotation(store).records
    ring = ring_at(tmp_path, NOON)
    assert old.unpublish_at
    assert old.refresh_verify_until

    after = old.unpublish_at
    assert ring.verification_key(old.kid, now=after - SECOND, for_refresh=False)
    assert ring.verification_key(old.kid, now=after, for_refresh=False) is None
    assert old.kid not in ring.jwks(after).kids
    assert ring.verification_key(old.kid, now=after, for_refresh=True)
    assert ring.verification_key(old.kid, now=old.refresh_verify_until, for_refresh=True) is None


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (lambda store, now: store.rotate(now=now), 3),
        (lambda store, now: store.add_spare(now=now), 2),
        (lambda store, now: store.ensure(now=now, spare=False), 2),
    ],
    ids=["rotate", "spare", "init"],
)
def test_the_private_key_is_deleted_after_its_last_signature(
    store: KeyStore, tmp_path: Path, command: Callable[[KeyStore, datetime], Manifest], left: int
) -> None:
    """A key that only verifies cannot leak, whatever the next command is."""
    old = _mid_rotation(store).records[0]
    assert old.unpublish_at

    command(store, old.unpublish_at)

    assert not (tmp_path / "keys" / f"{old.kid}.pem").exists()
    assert len(list((tmp_path / "keys").glob("*.pem"))) == left
    ring = ring_at(tmp_path, old.unpublish_at)
    assert ring.verification_key(old.kid, now=old.unpublish_at, for_refresh=True)


def test_keys_whose_last_token_has_expired_are_removed(store: KeyStore) -> None:
    """The manifest does not grow with every rotation."""
    old = _mid_rotation(store).records[0]

    manifest = store.rotate(now=NOON + timedelta(days=3))

    assert manifest.find(old.kid) is None


def test_a_year_of_rotations_always_has_one_published_signing_key(store: KeyStore) -> None:
    """At any time one key signs, it is in the JWKS, and there is a spare key."""
    store.ensure(now=NOON, spare=True)
    for month in range(1, 13):
        start = NOON + timedelta(days=30 * month)
        manifest = store.rotate(now=start)
        for minutes in (0, 1, 6, 13, 60, 1439, 1441, 40_000):
            moment = start + timedelta(minutes=minutes)
            found = states(manifest, moment)
            assert found.count(KeyState.ACTIVE) == 1
            assert KeyState.UPCOMING in found
            active = manifest.records[found.index(KeyState.ACTIVE)]
            assert is_published(active, now=moment)


def test_demo_keys_are_refused_in_production(tmp_path: Path) -> None:
    """A directory copied from a laptop must not sign real tokens."""
    store = KeyStore(tmp_path / "keys", passphrase=None, environment="local", timings=TIMINGS)
    manifest = store.ensure(now=NOON, spare=False)

    refuse_local_keys(manifest, environment="local")
    with pytest.raises(KeysError, match="ENVIRONMENT=local"):
        refuse_local_keys(manifest, environment="production")


def test_a_kid_may_be_shortened_as_long_as_it_is_unique(store: KeyStore) -> None:
    """Operators type only the first characters."""
    manifest = store.ensure(now=NOON, spare=True)
    kid = manifest.records[0].kid

    assert resolve_kid(manifest, kid[:20]) == kid
    with pytest.raises(RotationRefused, match="No keys start"):
        resolve_kid(manifest, "!")
    with pytest.raises(RotationRefused, match="2 keys start"):
        resolve_kid(manifest, "")


def test_a_manifest_survives_being_written_and_read(store: KeyStore) -> None:
    """Nothing about a key is lost between the command that writes and the worker that reads."""
    manifest = _mid_rotation(store)

    assert parse_manifest(format_manifest(manifest)) == manifest


def test_contradicting_manifests_are_refused(store: KeyStore) -> None:
    """A hand-edited manifest cannot leave the service without a usable signing key."""
    old, new, spare = _mid_rotation(store).records
    assert new.sign_at
    early = replace(old, unpublish_at=new.sign_at - SECOND)
    contradictions = {
        "twice": (old, new, spare, spare),
        "not in order": (early, new, spare),
        "but 0 do": (old, spare),
        "but 2 do": (still_open(old), new, spare),
        "public key of another": (old, replace(new, public_jwk=spare.public_jwk), spare),
        "edited": (old, replace(new, public_jwk={**spare.public_jwk, "kid": new.kid}), spare),
        "lacks some": (replace(old, refresh_verify_until=None), new, spare),
    }
    for complaint, records in contradictions.items():
        with pytest.raises(ManifestInvalid, match=complaint):
            check_manifest(Manifest(records))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"version": 2, "keys": []}', b'{"version": 1, "keys": [{}]}']
)
def test_unreadable_manifests_are_refused_with_a_sentence(text: bytes) -> None:
    """For a truncated or wrong file, the operator gets a sentence and no traceback."""
    with pytest.raises(ManifestInvalid):
        parse_manifest(text)


def _mid_rotation(store: KeyStore) -> Manifest:
    store.ensure(now=NOON, spare=False)
    return store.rotate(now=NOON)

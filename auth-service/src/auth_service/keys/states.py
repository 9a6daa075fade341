"""The state of a signing key at a given time. It follows from the key's timestamps alone.

No command switches keys: all workers read the same manifest, and change keys at the same time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SKEW_SECONDS = 30


class KeyState(StrEnum):
    """The states of a signing key, in their order. A key can be revoked in any of them."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    RETIRING = "retiring"
    REFRESH_VERIFY_ONLY = "refresh-verify-only"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key of the manifest: its public key, and when its state changes.

    Attributes:
        kid: RFC 7638 thumbprint of `public_jwk`.
        made_in: The ENVIRONMENT that created it. Keys of `local` are refused elsewhere.
        publish_at: When the JWKS starts to contain it.
        sign_at: When it starts to sign. None for the spare key, which is published but waits for
            a rotation or a revocation.
        sign_until: When its successor starts to sign; None while there is no successor.
        unpublish_at: When its last access token has expired, and the JWKS no longer contains it.
        refresh_verify_until: When its last refresh token has expired.
        revoked_at: When it was revoked; it is never used again, whatever the clock says.
    """

    kid: str
    public_jwk: Mapping[str, str]
    made_in: str
    publish_at: datetime
    sign_at: datetime | None = None
    sign_until: datetime | None = None
    unpublish_at: datetime | None = None
    refresh_verify_until: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTimings:
    """The delays of a rotation, so that no valid token is refused.

    Attributes:
        access_lifetime_seconds: The longest lifetime of an access token.
        refresh_lifetime_seconds: The longest lifetime of a refresh token.
        verifier_ttl_seconds: How long a verifier uses its copy of the JWKS: 300 s and up to 10 %
            of jitter.
        jwks_max_age_seconds: `max-age` of the JWKS, for HTTP caches.
        poll_seconds: The longest time until a worker notices a changed manifest.
        skew_seconds: The largest difference between two clocks.
    """

    access_lifetime_seconds: int
    refresh_lifetime_seconds: int
    verifier_ttl_seconds: int = 330
    jwks_max_age_seconds: int = 60
    poll_seconds: int = 2
    skew_seconds: int = SKEW_SECONDS

    @property
    def lead(self) -> timedelta:
        """How long a key is published before it signs. Includes one failed fetch of a verifier."""
        return timedelta(seconds=2 * self.verifier_ttl_seconds + self.jwks_max_age_seconds) + (
            self.notice
        )

    @property
    def notice(self) -> timedelta:
        """How long it takes until all workers use a change."""
        return timedelta(seconds=self.poll_seconds + self.skew_seconds)

    @property
    def access_tail(self) -> timedelta:
        """How long after its last signature a key is published."""
        return timedelta(seconds=self.access_lifetime_seconds + self.skew_seconds)

    @property
    def refresh_tail(self) -> timedelta:
        """How long after its last signature a key verifies refresh tokens."""
        return timedelta(seconds=self.refresh_lifetime_seconds + self.skew_seconds)


def signing_record(records: Iterable[KeyRecord], *, now: datetime) -> KeyRecord | None:
    """Return the key that signs at `now`: the latest whose `sign_at` has passed.

    If none has passed, it is the earliest scheduled key. So a worker can still sign if its clock
    is a little behind the clock of the machine that revoked a key.
    """
    unfinished = (
        record
        for record in records
        if not record.revoked_at and (record.sign_until is None or now < record.sign_until)
    )
    scheduled = sorted(
        ((record.sign_at, record) for record in unfinished if record.sign_at),
        key=lambda pair: pair[0],
    )
    due = [record for sign_at, record in scheduled if sign_at <= now]
    if due:
        return due[-1]
    return scheduled[0][1] if scheduled else None


def state_of(record: KeyRecord, *, among: Iterable[KeyRecord], now: datetime) -> KeyState:
    """Return the state of a key at `now`, among all keys of its manifest."""
    if record.revoked_at is not None:
        return KeyState.REVOKED
    if record is signing_record(among, now=now):
        return KeyState.ACTIVE
    if record.sign_at is None or now < record.sign_at:
        return KeyState.UPCOMING
    if record.unpublish_at is None or now < record.unpublish_at:
        return KeyState.RETIRING
    if record.refresh_verify_until is None or now < record.refresh_verify_until:
        return KeyState.REFRESH_VERIFY_ONLY
    return KeyState.EXPIRED


def is_published(record: KeyRecord, *, now: datetime) -> bool:
    """Say whether the JWKS contains a key."""
    if record.revoked_at is not None or now < record.publish_at:
        return False
    return record.unpublish_at is None or now < record.unpublish_at


def verifies_refresh(record: KeyRecord, *, now: datetime) -> bool:
    """Say whether a refresh token that was signed by this key is accepted."""
    if record.revoked_at is not None:
        return False
    return record.refresh_verify_until is None or now < record.refresh_verify_until


def next_change(record: KeyRecord, state: KeyState) -> tuple[datetime, KeyState] | None:
    """Return when a key's state changes next and into which state, without another command."""
    moment, following = {
        KeyState.UPCOMING: (record.sign_at, KeyState.ACTIVE),
        KeyState.ACTIVE: (record.sign_until, KeyState.RETIRING),
        KeyState.RETIRING: (record.unpublish_at, KeyState.REFRESH_VERIFY_ONLY),
        KeyState.REFRESH_VERIFY_ONLY: (record.refresh_verify_until, KeyState.EXPIRED),
    }.get(state, (None, state))
    return (moment, following) if moment else None


def in_state_since(record: KeyRecord, state: KeyState) -> datetime:
    """Return when a key entered its state."""
    moment = {
        KeyState.ACTIVE: record.sign_at,
        KeyState.RETIRING: record.sign_until,
        KeyState.REFRESH_VERIFY_ONLY: record.unpublish_at,
        KeyState.EXPIRED: record.refresh_verify_until,
        KeyState.REVOKED: record.revoked_at,
    }.get(state)
    return moment or record.publish_at

"""What a signing key may do at a given moment, derived from its timestamps and the clock alone.

Nothing is switched: every worker reads the same manifest and flips at the same instant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SKEW_SECONDS = 30


class KeyState(StrEnum):
    """The stages of a signing key's life, in order; a revocation ends any of them."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    RETIRING = "retiring"
    REFRESH_VERIFY_ONLY = "refresh-verify-only"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key of the manifest: its public half and the moments at which its state changes.

    Attributes:
        kid: RFC 7638 thumbprint of `public_jwk`.
        made_in: The ENVIRONMENT in which it was generated; a demo key must not reach production.
        publish_at: From then on it stands in the JWKS.
        sign_at: From then on it signs. None for the spare, which is published but waits for a
            rotation or an emergency.
        sign_until: From then on its successor signs; None while no successor is appointed.
        unpublish_at: From then on no access token of it is alive, so the JWKS drops it.
        refresh_verify_until: Until then auth-service itself still accepts its refresh tokens.
        revoked_at: Set once, counts at once, whatever a worker's clock says.
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
    """The delays a rotation must respect so that no good token is ever refused.

    Attributes:
        access_lifetime_seconds: The longest an access token lives.
        refresh_lifetime_seconds: The longest a refresh token lives.
        verifier_ttl_seconds: The longest a verifier serves its JWKS without asking again:
            300 s, with its 10 % of jitter.
        jwks_max_age_seconds: What our Cache-Control allows a cache in between.
        poll_seconds: The longest a worker takes to notice a new manifest.
        skew_seconds: How far two clocks may differ.
    """

    access_lifetime_seconds: int
    refresh_lifetime_seconds: int
    verifier_ttl_seconds: int = 330
    jwks_max_age_seconds: int = 60
    poll_seconds: int = 2
    skew_seconds: int = SKEW_SECONDS

    @property
    def lead(self) -> timedelta:
        """How long a key must be published before it signs: one failed fetch is allowed for."""
        return timedelta(seconds=2 * self.verifier_ttl_seconds + self.jwks_max_age_seconds) + (
            self.notice
        )

    @property
    def notice(self) -> timedelta:
        """How long all workers need to learn of a change, clocks that differ included."""
        return timedelta(seconds=self.poll_seconds + self.skew_seconds)

    @property
    def access_tail(self) -> timedelta:
        """How long access tokens outlive their key's last signature."""
        return timedelta(seconds=self.access_lifetime_seconds + self.skew_seconds)

    @property
    def refresh_tail(self) -> timedelta:
        """How long refresh tokens outlive their key's last signature."""
        return timedelta(seconds=self.refresh_lifetime_seconds + self.skew_seconds)


def signing_record(records: Iterable[KeyRecord], *, now: datetime) -> KeyRecord | None:
    """Pick the one key that signs at `now`: the latest whose turn has come.

    Where no turn has come yet, the earliest scheduled key signs: a worker whose clock is a
    little behind the clock that wrote an emergency revocation must go on issuing tokens.
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
    """Say what `record` may do at `now`, given all keys of its manifest."""
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
    """Say whether the JWKS shows this key: verifiers must know it before it signs, and after."""
    if record.revoked_at is not None or now < record.publish_at:
        return False
    return record.unpublish_at is None or now < record.unpublish_at


def verifies_refresh(record: KeyRecord, *, now: datetime) -> bool:
    """Say whether auth-service accepts a refresh token signed by this key."""
    if record.revoked_at is not None:
        return False
    return record.refresh_verify_until is None or now < record.refresh_verify_until


def next_change(record: KeyRecord, state: KeyState) -> tuple[datetime, KeyState] | None:
    """Say when, and into which state, a key goes next if nobody gives another command."""
    moment, following = {
        KeyState.UPCOMING: (record.sign_at, KeyState.ACTIVE),
        KeyState.ACTIVE: (record.sign_until, KeyState.RETIRING),
        KeyState.RETIRING: (record.unpublish_at, KeyState.REFRESH_VERIFY_ONLY),
        KeyState.REFRESH_VERIFY_ONLY: (record.refresh_verify_until, KeyState.EXPIRED),
    }.get(state, (None, state))
    return (moment, following) if moment else None


def in_state_since(record: KeyRecord, state: KeyState) -> datetime:
    """Say when a key entered the state it is in."""
    moment = {
        KeyState.ACTIVE: record.sign_at,
        KeyState.RETIRING: record.sign_until,
        KeyState.REFRESH_VERIFY_ONLY: record.unpublish_at,
        KeyState.EXPIRED: record.refresh_verify_until,
        KeyState.REVOKED: record.revoked_at,
    }.get(state)
    return moment or record.publish_at

"""Whose tokens stopped being good before they expire."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from identity import metrics
from identity.verifier import EXP_LEEWAY_SECONDS, IAT_LEEWAY_SECONDS, MAXIMUM_LIFETIME_SECONDS

# A token revoked longer ago than this has expired by itself, so the map stays small.
RELEVANT_FOR = timedelta(seconds=MAXIMUM_LIFETIME_SECONDS + IAT_LEEWAY_SECONDS + EXP_LEEWAY_SECONDS)


class Revocation(NamedTuple):
    """One user's tokens below an epoch ended at a moment."""

    user_id: UUID
    minimum_epoch: int
    revoked_at: datetime


class RevocationMap:
    """`by_user` maps a user id to that user's revocation.

    One thread writes, requests read without a lock: an entry is replaced in place, never absent
    in between.
    """

    def __init__(self) -> None:
        self.by_user: OrderedDict[UUID, Revocation] = OrderedDict()
        self._known_until: datetime | None = None

    def known_until(self, now: datetime) -> datetime:
        """Return the moment up to which every revocation that still matters was added."""
        return max(self._known_until or now - RELEVANT_FOR, now - RELEVANT_FOR)

    def add(self, revocations: Iterable[Revocation], *, now: datetime) -> None:
        """Take over what was revoked since the last call, and drop what has expired.

        Args:
            revocations: Oldest first.
            now: When they were read.
        """
        for revocation in revocations:
            self.by_user[revocation.user_id] = revocation
            self.by_user.move_to_end(revocation.user_id)
        while self.by_user:
            oldest = next(iter(self.by_user.values()))
            if oldest.revoked_at > now - RELEVANT_FOR:
                break
            del self.by_user[oldest.user_id]
        self._known_until = now
        metrics.REVOCATIONS_LOADED.set_to_current_time()

    def clear(self) -> None:
        """Forget all revocations."""
        self.by_user.clear()
        self._known_until = None


REVOCATIONS = RevocationMap()

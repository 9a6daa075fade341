"""Whose tokens stopped being good before they expire."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from identity import metrics
from identity.verifier import EXP_LEEWAY_SECONDS, IAT_LEEWAY_SECONDS, MAXIMUM_LIFETIME_SECONDS

# A token revoked longer ago than this has expired by itself, so the map stays small.
RELEVANT_SECONDS = MAXIMUM_LIFETIME_SECONDS + IAT_LEEWAY_SECONDS + EXP_LEEWAY_SECONDS


class RevocationMap:
    """User id to the lowest epoch still accepted; replaced as a whole, read without a lock."""

    def __init__(self) -> None:
        """Start with nobody revoked."""
        self._minimum_epochs: Mapping[UUID, int] = MappingProxyType({})

    def revokes(self, user_id: UUID, *, auth_epoch: int) -> bool:
        """Say whether a token of this user and epoch was revoked."""
        return auth_epoch < self._minimum_epochs.get(user_id, 0)

    def replace(self, minimum_epochs: Mapping[UUID, int]) -> None:
        """Take over the current truth."""
        self._minimum_epochs = MappingProxyType(dict(minimum_epochs))
        metrics.REVOCATIONS_LOADED.set_to_current_time()


REVOCATIONS = RevocationMap()

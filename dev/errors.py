"""Every reason for which the launcher refuses to continue."""

from pathlib import Path


class LauncherError(Exception):
    """A refusal that the person at the keyboard can act on: one sentence, and an exit status.

    Any other exception is a bug and shows its traceback.
    """

    status: int = 1


class BadSetting(LauncherError):
    """A variable, or the file it is set in, has a value that no system can be started with."""

    status = 2


class PortTaken(LauncherError):
    """Another program listens where one of ours has to."""


class ToolMissing(LauncherError):
    """A program or a set-up step that the launcher needs is missing."""


class NotRunning(LauncherError):
    """The command needs a running system."""


class NotConfirmed(LauncherError):
    """The command removes something, and no one has confirmed it."""


class AlreadyStarting(LauncherError):
    """Another launcher is at work in the same state directory."""


class ComponentFailed(LauncherError):
    """A process ended, or a task failed, before it was ready.

    Args:
        sentence: What happened, in one sentence.
        log: The component's log, whose last lines say why.
    """

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        super().__init__(sentence)
        self.log = log

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log, or nothing if there is none."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class DemoFailed(LauncherError):
    """A step of the demo got another answer than the one it shows."""

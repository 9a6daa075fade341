"""Every reason for which the launcher refuses to go on."""

from pathlib import Path


class LauncherError(Exception):
    """A refusal that the person at the keyboard can act on: one sentence, exit status 2.

    Anything else that escapes is a bug and shows its traceback.
    """

    code: str = "launcher_error"
    status: int = 2


class BadSetting(LauncherError):
    """A variable, or the file it stands in, has a value nothing can be started with."""

    code = "bad_setting"


class PortTaken(LauncherError):
    """Another program listens where one of ours has to."""

    code = "port_taken"


class ToolMissing(LauncherError):
    """A program or a set-up step that the launcher needs is not there."""

    code = "tool_missing"


class AlreadyStarting(LauncherError):
    """Another launcher is at work in the same state directory."""

    code = "already_starting"


class ComponentFailed(LauncherError):
    """A process ended, or a step failed, before it was ready.

    Args:
        sentence: What happened, in one sentence.
        log: The component's log, whose last lines say why.
    """

    code = "component_failed"

    def __init__(self, sentence: str, *, log: Path | None = None) -> None:
        super().__init__(sentence)
        self.log = log


class DemoFailed(LauncherError):
    """A step of the demo got another answer than the one it shows."""

    code = "demo_failed"
    status = 1

"""A closed terminal and a `kill` end a program like Ctrl-C, with everything stopped."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_like_ctrl_c(*numbers: signal.Signals) -> None:
    """Let these signals raise KeyboardInterrupt from now on.

    Processes that are started later get the default behaviour of these signals.
    """
    for number in numbers:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt

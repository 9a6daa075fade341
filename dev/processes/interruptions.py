"""A closed terminal and a `kill` end a program as a Ctrl-C does: with everything stopped."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_like_ctrl_c(*numbers: signal.Signals) -> None:
    """From now on these signals raise KeyboardInterrupt.

    Args:
        numbers: Which signals; children that are started later have them as they are by default.
    """
    for number in numbers:
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt

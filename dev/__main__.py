"""`python -m dev`: the commands behind the Makefile's targets."""

import argparse
import signal
import sys

from dev import commands, screen
from dev.config.settings import load, load_defaults
from dev.demo import run as demo
from dev.errors import LauncherError
from dev.processes.interruptions import end_like_ctrl_c
from dev.programs import stripe_cli
from dev.system import system


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments, by default the program's own.

    Returns:
        The exit status: 2 for a refusal that was explained in one sentence.
    """
    arguments = _arguments(argv)
    end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    try:
        return _run(arguments)
    except LauncherError as error:
        screen.refuse(error)
        return error.status
    except KeyboardInterrupt:
        screen.errors.print("Interrupted.")
        return 130


def _run(arguments: argparse.Namespace) -> int:
    # Stopping must work when `.env` is broken, too.
    stopping = arguments.command in {"down", "clean"}
    whole = system(load_defaults() if stopping else load())
    match arguments.command:
        case "up":
            commands.up(whole)
        case "down":
            commands.down(whole)
        case "status":
            commands.status(whole)
        case "clean":
            commands.clean(whole)
        case "demo" if arguments.base_url:
            demo.against(arguments.base_url)
        case "demo":
            demo.on_this_machine(whole)
        case "stripe-listen":
            return stripe_cli.listen(whole.settings, more=arguments.more)
        case "logs":
            follow = sys.stdout.isatty() if arguments.follow is None else arguments.follow
            commands.logs(whole, names=arguments.names, lines=arguments.lines, follow=follow)
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = _parser()
    arguments, more = parser.parse_known_args(argv)
    if more and arguments.command != "stripe-listen":
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    arguments.more = more
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    subcommands = parser.add_subparsers(dest="command", required=True)
    subcommands.add_parser("up", help="start the system and leave it running")
    subcommands.add_parser("down", help="stop it")
    subcommands.add_parser("status", help="show what is running")
    subcommands.add_parser("clean", help="stop it and remove what it keeps")
    walk = subcommands.add_parser("demo", help="walk the demo step by step")
    walk.add_argument("--base-url", help="a gateway that is already running")
    subcommands.add_parser("stripe-listen", help="forward events; other arguments go to the CLI")
    logs = subcommands.add_parser("logs", help="show the logs")
    logs.add_argument("names", nargs="*", help="only these")
    logs.add_argument("-n", "--lines", type=int, default=20, help="lines of each to begin with")
    logs.add_argument("--follow", action=argparse.BooleanOptionalAction, default=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())

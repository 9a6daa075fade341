"""`python -m dev`: the commands behind the Makefile's targets."""

import signal
import sys

import click

from dev import commands, screen
from dev.config.settings import load, load_defaults
from dev.demo import run as demo_run
from dev.errors import LauncherError
from dev.processes.interruptions import end_like_ctrl_c
from dev.programs import stripe_cli
from dev.system import System, system

# Everything after the command's name is for the program behind it, `--help` included.
_PASSED_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run the whole system on one machine, without Docker and without root."""


@cli.command()
def up() -> None:
    """Start the system and leave it running."""
    commands.up(_configured())


@cli.command()
def down() -> None:
    """Stop the system."""
    commands.down(_stoppable())


@cli.command()
def status() -> None:
    """Show what is running."""
    commands.status(_configured())


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(*, yes: bool) -> None:
    """Stop the system and remove its databases, logs and secrets."""
    commands.clean(_stoppable(), confirmed=yes)


@cli.command()
@click.option("--base-url", help="The address of a gateway that is already running.")
def demo(base_url: str | None) -> None:
    """Walk the demo step by step."""
    if base_url:
        demo_run.against(base_url)
    else:
        demo_run.on_this_machine(_configured())


@cli.command()
@click.argument("names", nargs=-1)
@click.option("-n", "--lines", default=20, help="Lines of each log to begin with.")
@click.option("--follow/--no-follow", default=None, help="Default: follow on a terminal.")
def logs(names: tuple[str, ...], *, lines: int, follow: bool | None) -> None:
    """Show the logs of all processes, or of the named ones."""
    follow = sys.stdout.isatty() if follow is None else follow
    commands.logs(_configured(), names=names, lines=lines, follow=follow)


@cli.command(context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Run billing-service's manage.py beside the running system."""
    sys.exit(commands.manage(_configured(), arguments))


@cli.command(context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def auth(arguments: tuple[str, ...]) -> None:
    """Run a command of auth-service beside the running system."""
    sys.exit(commands.auth(_configured(), arguments))


@cli.command("stripe-listen", context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def stripe_listen(arguments: tuple[str, ...]) -> None:
    """Forward events to billing-service with the official Stripe CLI."""
    sys.exit(stripe_cli.listen(_configured().settings, more=list(arguments)))


def main() -> int:
    """Run one command.

    Returns:
        0 done, 1 refused, 2 wrong usage or a wrong setting, 130 interrupted; else the status of
        the program behind the command.
    """
    end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    try:
        cli.main(prog_name="python -m dev", standalone_mode=False)
    except LauncherError as error:
        screen.refuse(error)
        return error.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        screen.errors.print("Interrupted.")
        return 130
    return 0


def _configured() -> System:
    return system(load())


def _stoppable() -> System:
    """The same system when `.env` is broken: stopping has to work then, too."""
    return system(load_defaults())


if __name__ == "__main__":
    sys.exit(main())

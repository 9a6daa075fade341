"""What all commands share: the settings, and how a command is refused."""

import click

from auth_service.settings import Settings, SettingsError, load_settings


class Refused(click.ClickException):
    """The command cannot do its work; the message says why. Exit code 1."""

    exit_code = 1


class WrongSettings(click.ClickException):
    """A variable is missing or invalid; the message names it. Exit code 2."""

    exit_code = 2


def settings_or_exit() -> Settings:
    """Read the settings.

    Raises:
        WrongSettings: A variable is missing or invalid.
    """
    try:
        return load_settings()
    except SettingsError as error:
        raise WrongSettings(str(error)) from error

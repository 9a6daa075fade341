"""What every command begins with: the settings, or one sentence and exit code 2."""

import sys

import click

from auth_service.settings import Settings, SettingsError, load_settings


def settings_or_exit() -> Settings:
    """Read the settings; a wrong variable ends the process with exit code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)

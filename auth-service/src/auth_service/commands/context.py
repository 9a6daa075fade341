"""What every command begins with: the settings, or one sentence and exit code 2."""

import sys
from typing import NoReturn

import click

from auth_service.settings import Settings, SettingsError, load_settings

_USAGE_EXIT_CODE = 2


def settings_or_exit() -> Settings:
    """Read the settings; a wrong variable ends the process with exit code 2."""
    try:
        return load_settings()
    except SettingsError as error:
        complain(str(error))


def complain(sentence: str) -> NoReturn:
    """End the process with one sentence for the operator."""
    click.echo(sentence, err=True)
    sys.exit(_USAGE_EXIT_CODE)

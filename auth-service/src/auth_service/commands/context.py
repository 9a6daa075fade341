"""What commands share: the settings, the database, and how a command is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from auth_service.database import NOT_MIGRATED, SCHEMA_ERRORS, is_schema_missing, open_engine
from auth_service.errors import AuthError
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


@contextmanager
def database() -> Iterator[Engine]:
    """Open the database of the settings.

    Raises:
        Refused: It cannot be reached, it was not migrated, or a change is refused.
    """
    engine = open_engine(settings_or_exit().database_url)
    try:
        yield engine
    except AuthError as error:
        raise Refused(error.detail) from error
    except OperationalError as error:
        raise Refused(f"The database cannot be reached: {str(error.orig).strip()}") from error
    except (ProgrammingError, *SCHEMA_ERRORS) as error:
        if not is_schema_missing(error):
            raise
        raise Refused(NOT_MIGRATED) from error
    finally:
        engine.dispose()

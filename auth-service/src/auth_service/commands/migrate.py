"""`auth-service migrate`: everything that must be there before the first request."""

import click
from sqlalchemy.exc import OperationalError

from auth_service import demo
from auth_service.clock import utc_now
from auth_service.commands.context import complain, settings_or_exit
from auth_service.commands.key_store import ensure_keys, sentences
from auth_service.database import open_engine
from auth_service.migrations import migrate as migrate_schema


@click.command()
def migrate() -> None:
    """Bring the database up to date, make the first keys and, in local, the demo superuser."""
    settings = settings_or_exit()
    engine = open_engine(settings.database_url)
    try:
        migrate_schema(engine)
        with sentences():
            ensure_keys(settings, now=utc_now())
        if settings.is_local and demo.create_superuser(engine, now=utc_now()):
            click.echo(f"Created the demo superuser {demo.USERNAME}.")
    except OperationalError as error:
        complain(f"The database cannot be reached: {str(error.orig).strip()}")
    finally:
        engine.dispose()

"""`auth-service migrate`: prepares the database and the keys."""

import click
from sqlalchemy.exc import OperationalError

from auth_service import demo
from auth_service.clock import utc_now
from auth_service.commands.context import Refused, settings_or_exit
from auth_service.commands.key_store import ensure_keys, refuse_on_key_error
from auth_service.database import open_engine
from auth_service.migrations import migrate as migrate_schema
from auth_service.users.confusable_names import fill_skeletons


@click.command()
def migrate() -> None:
    """Update the database schema and create the first keys; in local also the demo superuser."""
    settings = settings_or_exit()
    engine = open_engine(settings.database_url)
    try:
        migrate_schema(engine)
        fill_skeletons(engine)
        with refuse_on_key_error():
            ensure_keys(settings, now=utc_now())
        if settings.is_local and demo.create_superuser(engine, now=utc_now()):
            click.echo(f"Created the demo superuser {demo.USERNAME}.")
    except OperationalError as error:
        raise Refused(f"The database cannot be reached: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()

"""The migrations of the database schema."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

# Any constant; it only has to differ from those of other advisory locks in this database.
_LOCK_ID = 7_204_311


def migrate(engine: Engine) -> None:
    """Upgrade the schema to the latest migration. Several processes may do so at once."""
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": _LOCK_ID})
        connection.commit()
        try:
            command.upgrade(_config(connection), "head")
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": _LOCK_ID})
            connection.commit()
            # The session has no timeouts any more, so it must not go back to the pool.
            connection.invalidate()


def newest_revision() -> str | None:
    """Return the latest migration of this release."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "auth_service:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config

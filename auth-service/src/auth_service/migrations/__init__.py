"""The migrations of the database schema."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

# Any constant; it only has to differ from those of other advisory locks in this database.
_LOCK_ID = 7_204_311


def migrate(engine: Engine) -> None:
    """Upgrade the schema to the latest migration. Several processes may do so at once.

    The schema of a newer release stays as it is: this release runs on it.
    """
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:id)"), {"id": _LOCK_ID})
        connection.commit()
        try:
            config = _config(connection)
            found = MigrationContext.configure(connection).get_current_revision()
            # Alembic leaves a transaction that it finds open to the caller.
            connection.commit()
            if found is None or found in _revisions(config):
                command.upgrade(config, "head")
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": _LOCK_ID})
            connection.commit()
            # The session has no timeouts any more, so it must not go back to the pool.
            connection.invalidate()


def newest_revision() -> str:
    """Return the latest migration of this release."""
    return _revisions(_config(None))[0]


def older_revisions() -> frozenset[str]:
    """Return the migrations of this release before its latest.

    Migrations are linear and none is ever removed. So a schema at a revision that this release
    does not know is that of a newer release.
    """
    return frozenset(_revisions(_config(None))[1:])


def _revisions(config: Config) -> list[str]:
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    return [script.revision for script in scripts]


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", "auth_service:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config

"""Bringing a database to this version's schema, and asking whether it is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.database import Database
from db.errors import SchemaError
from db.foreign import translated
from db.migrations import procrastinate_schema

MOVED = "moved"
"""The revision of a database whose rows have been moved to another one: no agent is to run on it any more."""

LOCK_TIMEOUT = 10  # seconds: a migration that waits for a table's lock keeps everybody behind it waiting as well


def upgrade(database: Database) -> None:
    """Bring the schema to this version, in one transaction; nothing happens where it is there already.

    Raises `DatabaseBusyError` when another process holds a table for longer than `LOCK_TIMEOUT`, and `SchemaError` when
    the schema belongs to a later version of this program or a migration breaks a rule.
    """
    with _transaction(database) as connection:
        config = _config(connection)
        _refuse_later(config, connection)
        command.upgrade(config, "head")
        if database.dialect == "postgresql":
            procrastinate_schema.upgrade(connection)


def current(database: Database) -> str | None:
    """Return the schema's revision; None for a database that has none."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def needs_upgrade(database: Database) -> bool:
    """Tell whether `upgrade` has something to do."""
    with database.read() as connection:
        if MigrationContext.configure(connection).get_current_revision() != _scripts().get_current_head():
            return True
        return database.dialect == "postgresql" and procrastinate_schema.is_behind(connection)


@contextmanager
def _transaction(database: Database) -> Iterator[Connection]:
    if database.dialect == "postgresql":
        with database.begin(lock=("migrate",)) as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # an index of millions of rows takes its time
            yield connection
        return
    # SQLite alters a table by copying it, and must not see the copied one's disappearance as a deletion of its rows.
    # Foreign keys cannot be switched within a transaction: https://sqlite.org/lang_altertable.html#otheralter
    with translated(), database.engine.connect() as connection:
        _foreign_keys(connection, on=False)
        try:
            with connection.begin():
                yield connection
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    msg = "expected rows that refer to rows. Received: a migration that leaves some without"
                    raise SchemaError(msg)
        finally:
            _foreign_keys(connection, on=True)


def _foreign_keys(connection: Connection, *, on: bool) -> None:
    connection.connection.cursor().execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_later(config: Config, connection: Connection) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found == MOVED:
        msg = "expected the database in use. Received: one whose rows were moved to another; see database.url"
        raise SchemaError(msg)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        msg = f"expected a schema of this or an earlier version of this program. Received: revision={found}"
        raise SchemaError(msg)

"""Bringing a database to this version's schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from db.database import Database
from db.errors import SchemaError
from db.foreign import translated
from db.migrations import procrastinate_schema
from db.revision import MOVED, is_later_and_fit, note_works_from, revision_of

LOCK_TIMEOUT = 10  # seconds: a migration that waits for a table's lock keeps everybody behind it waiting as well


def upgrade(database: Database) -> None:
    """Bring the schema to this version, in one transaction; nothing happens where it is there already.

    Nor does anything where a later version has brought it further, and says that this one goes on working there.

    Raises `DatabaseBusyError` when another process holds a table for longer than `LOCK_TIMEOUT`, and `SchemaError` when
    the schema belongs to a later version of this program or a migration breaks a rule.
    """
    with _transaction(database) as connection:
        if is_later_and_fit(connection):
            return
        config = _config(connection)
        _refuse_later(config, connection)
        command.upgrade(config, "head")
        note_works_from(connection)
        if database.dialect == "postgresql":
            procrastinate_schema.upgrade(connection)


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


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_later(config: Config, connection: Connection) -> None:
    found = revision_of(connection)
    if found == MOVED:
        msg = "expected the database in use. Received: one whose rows were moved to another; see database.url"
        raise SchemaError(msg)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        msg = f"expected a schema of this or an earlier version of this program. Received: revision={found}"
        raise SchemaError(msg)

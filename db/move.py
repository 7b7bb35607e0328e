"""Moving a site from SQLite to PostgreSQL: every row and every job, in one transaction there, while nobody is here.

The transaction there is committed when all that was written has been read back and is what is here. Whoever is killed
before has changed nothing. Afterwards the database here says that it was moved, and no agent runs on it any more. After
a kill in between, the next move finds everything there and only says so here.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from sqlite3 import OperationalError as SqliteOperationalError
from typing import Any, cast

from sqlalchemy import Connection, Row, Table, create_engine, event, func, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from db.database import Database
from db.errors import DatabaseBusyError, RefusedError
from db.foreign import translated
from db.metadata import metadata
from db.migrate import upgrade
from db.migrations import scope as _every_table  # noqa: F401 - a table that nobody imported would be left behind
from db.queue.moving import MovedJobs, move_jobs, moved_jobs
from db.revision import MOVED

_AT_ONCE = 1000
_DIGEST = 16  # bytes of each row's digest; their sum does not depend on the rows' order
_WIDTH = 1 << (8 * _DIGEST)


@dataclass(frozen=True, slots=True)
class MovedTable:
    """A table whose rows are there, as they are here."""

    name: str
    rows: int
    sha256: str  # of all its rows, whatever their order


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved."""

    tables: tuple[MovedTable, ...]
    jobs: MovedJobs


def move(source: Database, target: Database, *, now: datetime, told: Callable[[MovedTable], None]) -> Moved:
    """Copy everything from an SQLite database to an empty PostgreSQL one; `told` hears of each table that is there.

    Raises RefusedError for databases of other kinds, one that is not empty, rows that are not there as they are here,
    and DatabaseBusyError while anybody else, such as a running agent, has the database open.
    """
    if (source.dialect, target.dialect) != ("sqlite", "postgresql"):
        message = f"expected a move from sqlite to postgresql. Received: {source.dialect} to {target.dialect}"
        raise RefusedError(message)
    source.dispose()
    with _alone(source) as here:
        upgrade(target)
        with target.begin() as there:
            there.execute(text("SET LOCAL statement_timeout = 0"))  # a table is copied by one
            if (used := _used(there)) and not _is_there(here, there):
                message = f"expected an empty database to move to. Received: rows in {', '.join(used)}"
                raise RefusedError(message)
            tables = []
            for table in _tables():
                tables.append(_summary(there, table) if used else _move_table(here, there, table))
                told(tables[-1])
            jobs = moved_jobs(there) if used else move_jobs(here, there, now=now)
        here.execute(text("UPDATE alembic_version SET version_num = :moved"), {"moved": MOVED})
    return Moved(tuple(tables), jobs)


def _tables() -> tuple[Table, ...]:
    """Return the tables of both kinds of database, each after those that it refers to."""
    return tuple(table for table in metadata.sorted_tables if "dialect" not in table.info)


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """Open a transaction while no process has the database open, not even to read, and keep all away until it ends."""
    engine = create_engine(database.url, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _exclude)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN EXCLUSIVE"))
    with translated(), ExitStack() as at_end:
        try:
            connection = at_end.enter_context(engine.connect())
            at_end.enter_context(connection.begin())
        except (OperationalError, SqliteOperationalError):
            message = "expected a database that nobody has open: stop the agent. Received: it is in use"
            raise DatabaseBusyError(message) from None
        yield connection


def _exclude(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 0")
    cursor.execute("PRAGMA locking_mode = EXCLUSIVE")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _used(there: Connection) -> list[str]:
    """Return the names of what is not empty there."""
    used = [table.name for table in _tables() if there.execute(select(table).limit(1)).first() is not None]
    jobs = there.execute(text("SELECT count(*) FROM procrastinate.procrastinate_jobs")).scalar_one()
    return [*used, *(["its queue"] if jobs else [])]


def _is_there(here: Connection, there: Connection) -> bool:
    """Tell whether an earlier move wrote everything there, in its one transaction, and nobody has used it since."""
    return all(_summary(here, table) == _summary(there, table) for table in _tables())


def _move_table(here: Connection, there: Connection, table: Table) -> MovedTable:
    written = _copy(here, there, table)
    _restart_sequences(there, table)
    found = _summary(there, table)
    if found != written:
        message = f"expected {written.rows} rows of {table.name} as they were. Received: {found.rows}, or other ones"
        raise RefusedError(message)
    return written


def _copy(here: Connection, there: Connection, table: Table) -> MovedTable:
    """Write the rows by COPY, and return what was written."""
    import psycopg  # noqa: PLC0415 - it comes with the extra "postgresql", which the commands do not need to be listed
    from psycopg.sql import SQL, Identifier  # noqa: PLC0415

    columns = SQL(", ").join(Identifier(column.name) for column in table.columns)
    statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), columns)
    driver = cast("psycopg.Connection", there.connection.driver_connection)
    rows, total = 0, 0
    with translated(psycopg.Error), driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _rows(here, table):
            values = [_fit(value) for value in row]
            copy.write_row(values)
            rows, total = rows + 1, total + _digest(values)
    return _moved(table, rows, total)


def _summary(connection: Connection, table: Table) -> MovedTable:
    rows, total = 0, 0
    for row in _rows(connection, table):
        rows, total = rows + 1, total + _digest([_fit(value) for value in row])
    return _moved(table, rows, total)


def _rows(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    with connection.execute(select(table).execution_options(yield_per=_AT_ONCE)) as result:
        yield from result


def _moved(table: Table, rows: int, total: int) -> MovedTable:
    return MovedTable(table.name, rows, f"{total % _WIDTH:0{2 * _DIGEST}x}")


def _fit(value: Any) -> Any:  # noqa: ANN401 - of any column
    """Return a value as PostgreSQL can hold it: its texts have no NUL, which means nothing in ours."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _digest(values: list[Any]) -> int:
    plain = [bytes(value) if isinstance(value, memoryview) else value for value in values]
    return int.from_bytes(sha256(repr(plain).encode("utf-8", "surrogatepass")).digest()[:_DIGEST])


def _restart_sequences(there: Connection, table: Table) -> None:
    """Let the ids that are given next be later ones."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = func.pg_get_serial_sequence(table.name, column.name)
    last = there.execute(select(func.max(column))).scalar_one()
    if last is not None and there.execute(select(sequence)).scalar_one() is not None:
        there.execute(select(func.setval(sequence, last)))

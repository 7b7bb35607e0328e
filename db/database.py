"""Connections and transactions on SQLite (the default) and on PostgreSQL."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from sqlite3 import SQLITE_BUSY
from sqlite3 import Error as SqliteError
from typing import Any, Literal, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from db.errors import DatabaseBusyError, DatabaseUnavailableError, QueryError
from db.foreign import translated
from db.postgresql_engine import BUSY_TIMEOUT, postgresql_engine

Dialect = Literal["sqlite", "postgresql"]
Lock = tuple[str, ...]
T = TypeVar("T")

_SET_BUSY_TIMEOUT = f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}"
_PAUSE = 0.001  # seconds between two tries to take SQLite's write lock
_SYNCHRONOUS = "tibabu synchronous"  # as it is set for a connection to SQLite
_KEPT_STATEMENTS = 512  # that one connection to SQLite keeps prepared: more than the busiest process has


class Database:
    """One database: an engine, and the two kinds of transaction.

    Threads share it. A forked child may go on using it, if its parent was in no transaction then.

    Every exception of SQLAlchemy or of a driver that leaves a transaction of this class is one of `db.errors`.
    """

    def __init__(self, url: URL) -> None:
        """Prefer `open_database`. Nothing is connected yet."""
        self.url = url
        self.dialect: Dialect = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        if self.dialect == "sqlite":
            self._engine = _sqlite_engine(url, _begin_writing)
            # Of its own: a connection that both reads and writes would prepare its statements anew at each change.
            self._reading = _sqlite_engine(url, _begin_reading, query_only=True)
        else:
            self._engine = postgresql_engine(url)
            options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            self._reading = self._engine.execution_options(**options)  # shares the engine's pool
        self._noting = self._engine.execution_options(tibabu_synchronous="NORMAL")
        self._write_turn = threading.Lock()
        self._kept: dict[Engine, Connection] = {}
        self._pid = os.getpid()

    @property
    def engine(self) -> Engine:
        """The engine, for what this package itself does (migrations, the queue): its errors are not translated."""
        if self._pid != os.getpid():  # forked: the parent's connections and its threads' locks are not ours
            self._leave_to_parent()
            self._write_turn = threading.Lock()
            self._pid = os.getpid()
        return self._engine

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All engines that its connections come from: the one that writes, and on SQLite the one that reads."""
        engine = self.engine
        return (engine, self._reading) if self.dialect == "sqlite" else (engine,)

    def _leave_to_parent(self) -> None:
        """Let go of what a parent had open: on PostgreSQL without a word to the server, with which it goes on.

        SQLite's are closed. It knows its process's locks by the file: beside one of the parent's, whose locks a child
        does not have, a new connection would take none either, and the log would be deleted from under it.
        """
        while self._kept:
            self._kept.popitem()[1].invalidate()
        for engine in (self._engine, self._reading):
            engine.dispose(close=self.dialect == "sqlite")

    def begin(self, lock: Lock | None = None) -> AbstractContextManager[Connection]:
        """Open a transaction that writes: committed, synced to disk, when the block ends, rolled back when it raises.

        `lock` names what the transaction is about, as ("study", uid): two transactions of the same name follow one
        another, whether or not the rows exist yet. (SQLite has one writer at a time in any case; so do not nest.) Its
        connection to SQLite is kept for the next one, with all that it has prepared: read all rows that you ask for.

        Raises `DatabaseBusyError` if a lock is not to be had within `BUSY_TIMEOUT`, other `DatabaseError` else.
        """
        return self._writing(self._engine, lock)

    def begin_lightly(self) -> AbstractContextManager[Connection]:
        """As `begin`, without waiting for SQLite's disk: for what is done again should a power failure undo it.

        It is undone alone, or with what else was committed lightly since: a later `begin` syncs all that was committed
        before it. A crash of this process undoes nothing. On PostgreSQL it is `begin`: hosts whose power did not fail
        would go on with what its server has forgotten, such as the number of a job that it then gives to another one.
        """
        return self._writing(self._noting)

    @contextmanager
    def _writing(self, engine: Engine, lock: Lock | None = None) -> Iterator[Connection]:
        _ = self.engine  # a forked child first lets go of its parent's connections
        with self._turn(), translated(SqliteError):
            if self.dialect != "sqlite":
                with engine.begin() as connection:
                    if lock is not None:
                        take(connection, lock)
                    yield connection
                return
            connection = self._kept[engine] = self._kept.get(engine) or engine.connect()
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                self._kept.pop(engine).close()
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads, all of it from one moment. Writing in it is an error."""
        _ = self.engine
        with translated(SqliteError), self._reading.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections. The database may be used again afterwards."""
        engines = self.engines
        with suppress(DatabaseBusyError), self._turn():
            while self._kept:
                self._kept.popitem()[1].close()
        for engine in engines:
            engine.dispose()

    def __repr__(self) -> str:
        """Show the URL with its password hidden."""
        return f"Database({self.url.render_as_string(hide_password=True)})"

    def __reduce__(self) -> tuple[object, ...]:
        """Give a spawned process a database of its own at the same URL."""
        return open_database, (self.url.render_as_string(hide_password=False),)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let one thread write at a time on SQLite: the others wait here and not in polling for the file's lock."""
        if self.dialect != "sqlite":
            yield
            return
        turn = self._write_turn
        if not turn.acquire(timeout=BUSY_TIMEOUT):
            msg = f"expected the writer's turn within {BUSY_TIMEOUT:g} s. Received: none"
            raise DatabaseBusyError(msg)
        try:
            yield
        finally:
            turn.release()


def take(connection: Connection, lock: Lock) -> None:
    """Take one more named lock, as `Database.begin` does, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        name = "\x1f".join(lock)
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def open_database(url: str) -> Database:
    """Return the database at `url`: sqlite:///relative.db, sqlite:////absolute.db or postgresql://user:password@host/name.

    Connects on first use. Raises `QueryError` for a URL of another kind or of none, and where its driver is missing.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        msg = "expected a database URL such as sqlite:////var/lib/tibabu/tibabu.db. Received: something else"
        raise QueryError(msg) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return _postgresql(parsed)
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:") and not parsed.query:
        return Database(parsed.set(drivername="sqlite+pysqlite"))
    msg = f"expected a URL of sqlite (a file, without ?) or postgresql. Received: backend={backend}"
    raise QueryError(msg)


def _postgresql(url: URL) -> Database:
    try:
        if find_spec("procrastinate") is None:
            raise ModuleNotFoundError(name="procrastinate")
        return Database(url.set(drivername="postgresql+psycopg"))
    except ImportError as error:  # psycopg's own where it finds no libpq
        msg = f'expected the extra for PostgreSQL (pip install "tibabu[postgresql]"). Received: missing={error.name}'
        raise QueryError(msg) from None


def _sqlite_engine(url: URL, begin: Callable[[Connection], None], *, query_only: bool = False) -> Engine:
    # The connection used last is used next: its cache has the pages that were written last.
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=10,
        max_overflow=-1,
        pool_use_lifo=True,
        connect_args={"cached_statements": _KEPT_STATEMENTS},
    )
    event.listen(engine, "do_connect", lambda *_: _make_private(url))
    event.listen(engine, "connect", partial(_prepare_sqlite, query_only=query_only))
    event.listen(engine, "begin", begin)
    return engine


def _make_private(url: URL) -> None:
    """Make the file for the agent's account only, before SQLite makes it for everybody: it holds patients' names.

    A file that is there is not opened: closing it would take SQLite's locks from it.
    """
    with suppress(OSError):  # it is there; or cannot be made, which SQLite says in its own words
        os.close(os.open(url.database or "", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry, *, query_only: bool) -> None:
    """Durable and concurrent: WAL, and FULL because NORMAL loses commits of the last moments at a power failure."""
    connection.isolation_level = None  # the driver begins no transaction by itself: we do
    cursor = connection.cursor()
    cursor.execute(_SET_BUSY_TIMEOUT)
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(connection)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    if query_only:
        cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _begin_reading(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection  # directly: through the engine this takes longer than a row
    driver.execute("BEGIN")


def _begin_writing(connection: Connection) -> None:
    """Take the write lock at once: a later upgrade could not wait for it."""
    driver: Any = connection.connection.dbapi_connection  # as above
    synchronous = connection.get_execution_options().get("tibabu_synchronous", "FULL")
    if connection.info.get(_SYNCHRONOUS, "FULL") != synchronous:
        driver.execute(f"PRAGMA synchronous = {synchronous}")
        connection.info[_SYNCHRONOUS] = synchronous
    # SQLite's own waiting grows to pauses of 100 ms, in which other processes overtake: a receiver waited for seconds.
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        _insist(lambda: driver.execute("BEGIN IMMEDIATE"))
    finally:
        driver.execute(_SET_BUSY_TIMEOUT)


def _switch_to_wal(connection: DBAPIConnection) -> None:
    """Switch a new file, as several processes may at once: SQLite then answers "locked" without its busy time-out."""
    if (mode := _insist(lambda: connection.cursor().execute("PRAGMA journal_mode = WAL").fetchone()[0])) != "wal":
        msg = f"expected a file system on which SQLite can keep a write-ahead log. Received: journal_mode={mode}"
        raise DatabaseUnavailableError(msg)


def _insist(attempt: Callable[[], T]) -> T:
    """Try until it is not refused because another process writes, at most for `BUSY_TIMEOUT`."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return attempt()
        except (SqliteError, OperationalError) as error:
            code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF
            if code != SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)

"""A copy of the whole database as of one moment, while it is used, with the list of files that its rows need.

SQLite: its online backup, in one read transaction, which holds up no writer. PostgreSQL: pg_dump in the snapshot in
which the list is read.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from db.database import Database, open_database
from db.errors import DatabaseError, RefusedError
from db.foreign import translated
from db.needed_files import NeededFile, needed_in

_TOLD = 300


class DumpError(DatabaseError):
    """The copy could not be made or read; the message says by which program."""


def dump(
    database: Database, target: Path, take: Callable[[Iterator[NeededFile]], None], *, pg_dump: str = "pg_dump"
) -> None:
    """Copy the database to `target`, and let `take` have the files that its rows need, in the order of their digests.

    Raises DatabaseError.
    """
    if database.dialect == "sqlite":
        _dump_sqlite(database, target, take)
    else:
        _dump_postgresql(database, target, take, pg_dump)


def load(database: Database, source: Path, *, pg_restore: str = "pg_restore") -> None:
    """Bring a copy back into an empty place: all of it or nothing. Raises DatabaseError; RefusedError if not empty."""
    refuse_used(database)
    if database.dialect == "postgresql":
        options = ["--no-owner", "--exit-on-error", "--single-transaction"]
        _run([pg_restore, *options, f"--dbname={_address(database)}", str(source)], database)
        return
    final = Path(database.url.database or "")
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f"{final.name}.restoring")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        with source.open("rb") as copy:
            shutil.copyfileobj(copy, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(final)


def refuse_used(database: Database) -> None:
    """Raise RefusedError unless there is no database yet, or an empty one."""
    if database.dialect == "sqlite":
        file = Path(database.url.database or "")
        # A log that was left behind would be played into the restored database when it is opened.
        for one in (file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-journal"))):
            if one.exists() and one.stat().st_size:
                message = f"expected no database where one is to be restored. Received: {one.name} is there already"
                raise RefusedError(message)
        return
    query = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    with database.read() as connection:
        count = connection.execute(text(query)).scalar_one()
    if count:
        message = f"expected an empty database to restore into. Received: tables={count}"
        raise RefusedError(message)


def _dump_sqlite(database: Database, target: Path, take: Callable[[Iterator[NeededFile]], None]) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with translated(sqlite3.Error):
        address = f"{Path(database.url.database or '').absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy, pages=-1)
        found = open_database(f"sqlite:///{target}")
        try:
            with found.read() as connection:
                take(needed_in(connection))
        finally:
            found.dispose()
        with closing(sqlite3.connect(target)) as copy:
            said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
    if said != "ok":
        message = "expected a sound database. Received: one in which PRAGMA quick_check finds damage"
        raise DumpError(message)


def _dump_postgresql(
    database: Database, target: Path, take: Callable[[Iterator[NeededFile]], None], pg_dump: str
) -> None:
    with database.read() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        options = ["--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={target}"]
        _run([pg_dump, *options, f"--dbname={_address(database)}"], database)
        take(needed_in(connection))
    target.chmod(0o600)


def _address(database: Database) -> str:
    """Return the URL for PostgreSQL's programs, without the password: other users see arguments."""
    return database.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(command: list[str], database: Database) -> None:
    secret = {} if database.url.password is None else {"PGPASSWORD": str(database.url.password)}
    try:
        done = subprocess.run(command, check=False, capture_output=True, env=os.environ | secret)  # noqa: S603
    except OSError as error:
        message = f"expected the program {command[0]} (backup.pg_dump, backup.pg_restore). Received: {error.strerror}"
        raise DumpError(message) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        first = next((line for line in lines if "error" in line.lower()), "")
        told = first.partition("DETAIL")[0][:_TOLD] if "COPY" not in first else "of rows"
        message = f"expected {Path(command[0]).name} to end with status 0. Received: {done.returncode} {told}"
        raise DumpError(message)

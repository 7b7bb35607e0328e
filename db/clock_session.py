"""The clock's lock on PostgreSQL: an advisory lock of a session that the server ends when nothing is heard of it."""

from datetime import timedelta
from typing import Final, cast

import psycopg

from db.database import Database
from db.errors import DatabaseError
from db.foreign import translated

_NAME: Final = "clock"


class SessionLock:
    """`db.clock_lock.ClockLock` as an advisory lock of a session."""

    def __init__(self, database: Database, silence: timedelta) -> None:
        """Connect when it is first taken; the server ends the session after this silence."""
        self._database = database
        self._silence = silence
        self._connection: psycopg.Connection | None = None
        self._holds = False

    def take(self) -> bool:
        """See `db.clock_lock.ClockLock`."""
        try:
            with translated(psycopg.Error):
                connection = self._connection = self._connection or self._connect()
                query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
                row = connection.execute(query, (_NAME,)).fetchone()
        except DatabaseError:
            self.release()
            raise
        self._holds = row is not None and bool(row[0])
        return self._holds

    def is_held(self) -> bool:
        """See `db.clock_lock.ClockLock`."""
        if self._holds and self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self.release()
        return self._holds

    def release(self) -> None:
        """See `db.clock_lock.ClockLock`."""
        self._holds = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection:
        pooled = self._database.engine.raw_connection()
        connection = cast("psycopg.Connection", pooled.driver_connection)
        pooled.detach()  # it keeps its lock, and is not to go back to the pool with it
        connection.autocommit = True
        milliseconds = str(round(self._silence.total_seconds() * 1000))
        connection.execute("SELECT set_config('idle_session_timeout', %s, false)", (milliseconds,))
        return connection

"""PostgreSQL tells idle workers of new jobs (LISTEN and NOTIFY)."""

import threading
from collections.abc import Sequence
from time import monotonic
from typing import cast

import psycopg
from psycopg.sql import SQL, Identifier

from db.database import Database
from db.errors import DatabaseUnavailableError
from db.foreign import translated
from db.queue.channel import CHANNEL

_SLICE = 0.2  # seconds until a listener looks at `stop` again


class Announcements:
    """A connection that listens to what procrastinate's triggers say about some kinds of job."""

    def __init__(self, database: Database, kinds: Sequence[str]) -> None:
        """Connect on the first wait, and again after the connection was lost."""
        self._database = database
        self._kinds = kinds
        self._connection: psycopg.Connection | None = None

    def wait(self, stop: threading.Event, timeout: float) -> None:
        """Return on the first announcement since the last call, when `stop` is set, or after `timeout` seconds.

        Raises `DatabaseUnavailableError` when the connection is lost; the next call makes a new one.
        """
        if (connection := self._connection) is None:
            self._connection = self._listen()
            return  # what was announced before this moment is found by looking
        end = monotonic() + timeout
        while not stop.is_set() and (left := end - monotonic()) > 0:
            if self._heard(connection, min(left, _SLICE)):
                return

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _listen(self) -> psycopg.Connection:
        with translated(psycopg.Error):
            pooled = self._database.engine.raw_connection()
            connection = cast("psycopg.Connection", pooled.driver_connection)
            pooled.detach()  # it is not to go back to the pool listening
            connection.autocommit = True
            for kind in self._kinds:
                connection.execute(SQL("LISTEN {}").format(Identifier(CHANNEL + kind)))
        return connection

    def _heard(self, connection: psycopg.Connection, timeout: float) -> bool:
        try:
            with translated(psycopg.Error):
                return any(True for _ in connection.notifies(timeout=timeout))
        except DatabaseUnavailableError:
            self.close()
            raise

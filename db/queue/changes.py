"""SQLite tells nobody of a commit; this is the cheap way to ask."""

from sqlite3 import Error
from typing import Any

from sqlalchemy import Connection

from db.database import Database
from db.foreign import translated


class ChangeCounter:
    """A number that is another one after any other connection, of any process, has committed (PRAGMA data_version)."""

    def __init__(self, database: Database) -> None:
        """Take a connection of its own: only numbers of one connection compare."""
        with translated(Error):
            self.connection: Connection = database.engines[-1].connect()
            self._driver: Any = self.connection.connection.dbapi_connection

    def read(self) -> int:
        """Return the number as of now; it touches the shared memory of the write-ahead log and no disk."""
        with translated(Error):
            return int(self._driver.execute("PRAGMA data_version").fetchall()[0][0])

    def close(self) -> None:
        """Give the connection back."""
        with translated(Error):
            self.connection.close()

"""Has anything been committed since? One cheap question on both databases, for pages that keep themselves current."""

import threading

from sqlalchemy import text

from db.database import Database
from db.queue.changes import ChangeCounter

_SNAPSHOT = text("SELECT CAST(pg_current_snapshot() AS text)")


class ChangeWatch:
    """Tells a version of the database: another one after any commit of any process. Threads may share it.

    SQLite counts commits (PRAGMA data_version); PostgreSQL says which transactions are visible, of all databases of the
    server: so the version may also change where nothing did here, and never stays where something did.
    """

    def __init__(self, database: Database) -> None:
        """Connect on first use."""
        self._database = database
        self._counter: ChangeCounter | None = None
        self._lock = threading.Lock()

    def version(self) -> str:
        """Return the version as of now. Raises db.errors.DatabaseError when the database cannot say."""
        if self._database.dialect == "postgresql":
            with self._database.read() as connection:
                return str(connection.execute(_SNAPSHOT).scalar_one())
        with self._lock:
            self._counter = self._counter or ChangeCounter(self._database)
            return str(self._counter.read())

    def close(self) -> None:
        """Give the connection back; the next question takes another one, whose versions are others."""
        with self._lock:
            counter, self._counter = self._counter, None
            if counter is not None:
                counter.close()

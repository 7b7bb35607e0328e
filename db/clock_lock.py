"""The lock that one clock of the cluster holds. No clock time is part of it, so that a skewed host changes nothing.

PostgreSQL: an advisory lock of a session that the server ends when nothing is heard of it for `SILENCE` (a host without
power or network, a process that is suspended); the session of a process that dies ends at once. SQLite, which is one
host: a lock on a file beside the database, which the system takes from a process that dies.
"""

import fcntl
import os
from datetime import timedelta
from typing import Final, Protocol

from db.database import Database

SILENCE: Final = timedelta(seconds=15)
"""After that the server ends the session of a holder that is not heard of."""


class ClockLock(Protocol):
    """One process's hold on the lock. One thread's."""

    def take(self) -> bool:
        """Take the lock if nobody has it; tell whether it is held now. Raises `DatabaseError`; call again then."""

    def is_held(self) -> bool:
        """Tell whether it still is, and that this process lives: to be called every few seconds."""

    def release(self) -> None:
        """Let go of it, if it is held."""


def clock_lock(database: Database, silence: timedelta = SILENCE) -> ClockLock:
    """Return the lock of the cluster whose database this is; it is not taken yet."""
    if database.dialect == "sqlite":
        return _FileLock(f"{database.url.database}-clock")
    from db.clock_session import SessionLock  # noqa: PLC0415 - its driver is there only with the extra "postgresql"

    return SessionLock(database, silence)


class _FileLock:
    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        if self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._descriptor = descriptor
        return True

    def is_held(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

